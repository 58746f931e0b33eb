//! What lies within a place: items, fields, variants.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
    value::{Error, StrDeserializer},
};

use super::Place;

/// The one item of a list or entry of a map, or none.
pub(super) struct Items<'a> {
    pub(super) place: Place<'a>,
    pub(super) left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.place.below("[]")).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.place.below("[key]")).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.place.below("[]"))
    }
}

/// The members of a tuple.
pub(super) struct Members<'a> {
    pub(super) place: Place<'a>,
    pub(super) next: usize,
    pub(super) of: usize,
}

impl<'de> SeqAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next == self.of {
            return Ok(None);
        }
        self.next += 1;
        seed.deserialize(self.place.below(&format!(".{}", self.next - 1))).map(Some)
    }
}

/// The fields of a struct.
pub(super) struct Fields<'a> {
    place: Place<'a>,
    names: std::vec::IntoIter<&'static str>,
    name: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(place: Place<'a>, names: &'static [&'static str]) -> Self {
        let names = place.trace.in_order(&place.path, names).into_iter();
        Self { place, names, name: "" }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.name = name;
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.place.below(&format!("/{}", self.name)))
    }
}

/// A variant of an enum.
pub(super) struct Picked<'a> {
    pub(super) place: Place<'a>,
    pub(super) variant: &'static str,
}

impl<'de> EnumAccess<'de> for Picked<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Picked<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.place.below(&format!(".{}", self.variant)))
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.place.below(&format!(".{}", self.variant)).deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut place = self.place.below(&format!(".{}", self.variant));
        place.note(&format!("{{{}}}", fields.join(",")));
        visitor.visit_map(Fields::of(place, fields))
    }
}
