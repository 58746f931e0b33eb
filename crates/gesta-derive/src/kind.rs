//! One variant as a kind of event: its name, schema version and aliases.

use syn::{Fields, Ident, LitInt, LitStr, Variant, spanned::Spanned};

/// Longest event type, in bytes; the same as `gesta_core::limits::EVENT_TYPE_BYTES`.
const NAME_BYTES: usize = 256;

/// What a variant says about its facts.
pub(crate) struct Kind {
    /// The variant.
    pub(crate) variant: Ident,
    /// The name they are stored under.
    pub(crate) name: LitStr,
    /// The version of their present shape, from 1.
    pub(crate) schema_version: u32,
    /// Other spellings.
    pub(crate) aliases: Vec<LitStr>,
}

impl Kind {
    /// Reads a variant; fails with the place and what to write there.
    pub(crate) fn of(variant: &Variant) -> syn::Result<Self> {
        let shape = holds_one_value(variant);
        let given = Given::of(variant)?;
        shape?;
        let name = given.name.ok_or_else(|| {
            let message = format!(
                "the name of these events is missing: write `#[event(name = \"…\")]` above `{}`; it is stored, so it \
                 is never taken from the code",
                variant.ident
            );
            syn::Error::new(variant.ident.span(), message)
        })?;
        let kind = Self {
            variant: variant.ident.clone(),
            name,
            schema_version: given.schema_version.unwrap_or(1),
            aliases: given.aliases,
        };
        kind.spellings().try_for_each(legal)?;
        Ok(kind)
    }

    /// The name and the aliases.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = &LitStr> {
        std::iter::once(&self.name).chain(&self.aliases)
    }
}

/// Refuses units, tuples and named fields: what is stored is one serde value.
fn holds_one_value(variant: &Variant) -> syn::Result<()> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(()),
        _ => {
            let message = format!(
                "an event holds exactly one value: write `{0}({0})` and a struct `{0}` with the fields",
                variant.ident
            );
            Err(syn::Error::new(variant.span(), message))
        }
    }
}

/// Refuses what no store would take as a type.
fn legal(spelling: &LitStr) -> syn::Result<()> {
    let text = spelling.value();
    let odd = |c: char| c.is_control() || c == '*';
    let legal = !text.is_empty() && text.len() <= NAME_BYTES && !text.chars().any(odd);
    let message = "an event's name has 1 to 256 bytes, no control characters and no *, which stands for any text in filters";
    if legal { Ok(()) } else { Err(syn::Error::new(spelling.span(), message)) }
}

/// What the attributes of a variant say.
#[derive(Default)]
struct Given {
    name: Option<LitStr>,
    schema_version: Option<u32>,
    aliases: Vec<LitStr>,
}

impl Given {
    fn of(variant: &Variant) -> syn::Result<Self> {
        let mut given = Self::default();
        for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
            attribute.parse_nested_meta(|meta| given.read(&meta))?;
        }
        Ok(given)
    }

    fn read(&mut self, meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            once(meta, &self.name)?;
            self.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("schema_version") {
            once(meta, &self.schema_version)?;
            self.schema_version = Some(version(&meta.value()?.parse()?)?);
        } else if meta.path.is_ident("aliases") {
            let listed;
            syn::parenthesized!(listed in meta.input);
            self.aliases.extend(listed.parse_terminated(|one| one.parse::<LitStr>(), syn::Token![,])?);
        } else {
            return Err(meta.error("unknown key: use name = \"…\", schema_version = 1 or aliases(\"…\")"));
        }
        Ok(())
    }
}

/// Refuses a key that comes again.
fn once<T>(meta: &syn::meta::ParseNestedMeta<'_>, known: &Option<T>) -> syn::Result<()> {
    if known.is_some() { Err(meta.error("it is given twice: leave one out")) } else { Ok(()) }
}

/// Reads a schema version; 0 is none.
fn version(literal: &LitInt) -> syn::Result<u32> {
    match literal.base10_parse() {
        Ok(0) => Err(syn::Error::new(literal.span(), "schema versions begin at 1")),
        other => other,
    }
}
