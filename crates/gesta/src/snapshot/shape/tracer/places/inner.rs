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

/// The fields of a struct or tuple.
pub(super) struct Parts<'a> {
    pub(super) place: Place<'a>,
    pub(super) names: Option<&'static [&'static str]>,
    pub(super) next: usize,
    pub(super) of: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next == self.of {
            return Ok(None);
        }
        self.next += 1;
        seed.deserialize(self.place.below(&format!(".{}", self.next - 1))).map(Some)
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.names.and_then(|names| names.get(self.next)) else { return Ok(None) };
        self.next += 1;
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let name = self.names.and_then(|names| names.get(self.next - 1)).copied().unwrap_or_default();
        seed.deserialize(self.place.below(&format!("/{name}")))
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
        visitor.visit_map(Parts { place, names: Some(fields), next: 0, of: fields.len() })
    }
}
