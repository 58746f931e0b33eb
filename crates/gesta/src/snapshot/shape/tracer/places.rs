//! One place of a type that is being read: writes down what is asked for and answers with a made-up value.

use serde::de::{Deserializer, Visitor, value::Error};

use super::{DEPTH, Trace, stuck};

mod inner;
use inner::{Fields, Items, Members, Picked};

/// Texts that types like to insist on.
const TEXTS: [&str; 12] = [
    "",
    "a",
    "0",
    "a-1",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "0.0.0.0",
    "1.0.0",
    "a@example.org",
    "http://example.org/",
];

/// A place, with the named types it lies in.
pub(super) struct Place<'a> {
    pub(super) trace: &'a mut Trace,
    pub(super) path: String,
    pub(super) inside: &'a mut Vec<&'static str>,
}

impl Place<'_> {
    fn below(&mut self, step: &str) -> Place<'_> {
        Place { trace: self.trace, path: format!("{}{step}", self.path), inside: self.inside }
    }

    fn note(&mut self, what: &str) {
        self.trace.note(&self.path, what);
    }

    fn choose(&mut self, of: usize, variants: bool) -> usize {
        self.trace.choose(&self.path, of, variants)
    }

    /// Reads a named type, unless it lies within itself already.
    fn within<T>(
        mut self,
        name: &'static str,
        read: impl FnOnce(Place<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // Twice is legal: a generic type may hold itself with another parameter.
        if self.inside.iter().filter(|outer| **outer == name).count() > 1 || self.inside.len() > DEPTH {
            self.note("again");
            return Err(stuck("a type within itself"));
        }
        self.inside.push(name);
        let read = read(self.below(""));
        self.inside.pop();
        read
    }
}

/// Values of one kind, the next one when a type does not take the first.
macro_rules! plain {
    ($($method:ident $visit:ident $name:literal $values:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            self.note($name);
            let values = $values;
            let choice = self.choose(values.len(), false);
            visitor.$visit(values[choice])
        }
    )*};
}

impl<'de> Deserializer<'de> for Place<'_> {
    type Error = Error;

    plain! {
        deserialize_bool visit_bool "bool" [false, true];
        deserialize_i8 visit_i8 "i8" [0, 1];
        deserialize_i16 visit_i16 "i16" [0, 1];
        deserialize_i32 visit_i32 "i32" [0, 1];
        deserialize_i64 visit_i64 "i64" [0, 1];
        deserialize_i128 visit_i128 "i128" [0, 1];
        deserialize_u8 visit_u8 "u8" [0, 1];
        deserialize_u16 visit_u16 "u16" [0, 1];
        deserialize_u32 visit_u32 "u32" [0, 1];
        deserialize_u64 visit_u64 "u64" [0, 1];
        deserialize_u128 visit_u128 "u128" [0, 1];
        deserialize_f32 visit_f32 "f32" [0.0, 1.0];
        deserialize_f64 visit_f64 "f64" [0.0, 1.0];
        deserialize_char visit_char "char" ['a'];
        deserialize_str visit_borrowed_str "text" TEXTS;
        deserialize_string visit_borrowed_str "text" TEXTS;
        deserialize_identifier visit_borrowed_str "name" TEXTS;
        deserialize_bytes visit_borrowed_bytes "bytes" [b""];
        deserialize_byte_buf visit_borrowed_bytes "bytes" [b""];
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("anything");
        match self.choose(3, false) {
            0 => visitor.visit_unit(),
            1 => visitor.visit_borrowed_str(""),
            _ => visitor.visit_u64(0),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("unit");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.within(name, |place| visitor.visit_newtype_struct(place))
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("maybe");
        match self.choose(2, false) {
            0 => visitor.visit_some(self.below("?")),
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("list");
        let left = 1 - self.choose(2, false);
        visitor.visit_seq(Items { place: self, left })
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.note("map");
        let left = 1 - self.choose(2, false);
        visitor.visit_map(Items { place: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.note(&format!("tuple of {len}"));
        visitor.visit_seq(Members { place: self, next: 0, of: len })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.within(name, |place| place.deserialize_tuple(len, visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.within(name, |mut place| {
            place.note(&format!("{{{}}}", fields.join(",")));
            visitor.visit_map(Fields::of(place, fields))
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.within(name, |mut place| {
            place.note(&variants.join("|"));
            let choice = place.choose(variants.len(), true);
            let variant = variants.get(choice).ok_or_else(|| stuck("an enum without a variant"))?;
            visitor.visit_enum(Picked { place, variant })
        })
    }
}
