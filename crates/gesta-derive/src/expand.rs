//! From an enum to the impl of `gesta::Event`.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput};

use crate::kind::Kind;

/// The impl, or everything that is wrong at once.
pub(crate) fn event(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        let message = "events are an enum with a variant for each kind of fact: `enum OrderEvent { … }`";
        return Err(syn::Error::new(input.ident.span(), message));
    };
    let kinds = kinds(data, &input.ident)?;
    distinct(&kinds)?;
    Ok(implementation(input, &kinds))
}

/// Every variant as a kind, or what is wrong with each of them.
fn kinds(data: &DataEnum, name: &syn::Ident) -> syn::Result<Vec<Kind>> {
    let mut kinds = Vec::new();
    let mut wrong: Option<syn::Error> = None;
    for variant in &data.variants {
        match Kind::of(variant) {
            Ok(kind) => kinds.push(kind),
            Err(error) => match &mut wrong {
                Some(others) => others.combine(error),
                None => wrong = Some(error),
            },
        }
    }
    match wrong {
        Some(wrong) => Err(wrong),
        None if kinds.is_empty() => {
            Err(syn::Error::new(name.span(), "there is no event in here: add a variant"))
        }
        None => Ok(kinds),
    }
}

/// Refuses a spelling that would leave open which kind is meant.
fn distinct(kinds: &[Kind]) -> syn::Result<()> {
    let mut seen = HashMap::new();
    for kind in kinds {
        for spelling in kind.spellings() {
            if let Some(other) = seen.insert(spelling.value(), &kind.variant) {
                let message = format!("{:?} is a spelling of `{other}` already", spelling.value());
                return Err(syn::Error::new(spelling.span(), message));
            }
        }
    }
    Ok(())
}

/// The code. Every path is written in full, so that nothing in the caller's scope can get in between.
fn implementation(input: &DeriveInput, kinds: &[Kind]) -> TokenStream {
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let variants: Vec<_> = kinds.iter().map(|kind| &kind.variant).collect();
    let names = kinds.iter().map(|kind| &kind.name);
    let listed = kinds.iter().map(listed);
    let at = 0..kinds.len();
    quote! {
        #[automatically_derived]
        impl #generics ::gesta::event::Event for #name #arguments #bounds {
            const KINDS: &'static [::gesta::event::EventKind] = &[#(#listed),*];

            fn kind(&self) -> &'static ::gesta::event::EventKind {
                match self {
                    #(Self::#variants(_) => &<Self as ::gesta::event::Event>::KINDS[#at],)*
                }
            }

            fn encode(
                &self,
            ) -> ::core::result::Result<::std::vec::Vec<u8>, ::gesta::event::derived::Error> {
                match self {
                    #(Self::#variants(fact) => ::gesta::event::derived::encode(fact),)*
                }
            }

            fn decode(
                kind: &'static ::gesta::event::EventKind,
                data: &[u8],
            ) -> ::core::result::Result<Self, ::gesta::event::derived::Error> {
                match kind.name {
                    #(#names => ::core::result::Result::map(
                        ::gesta::event::derived::decode(data),
                        Self::#variants,
                    ),)*
                    _ => ::core::result::Result::Err(::gesta::event::derived::no_such_kind(kind)),
                }
            }
        }
    }
}

/// One entry of the list of kinds.
fn listed(kind: &Kind) -> TokenStream {
    let Kind { name, schema_version, aliases, .. } = kind;
    quote! {
        ::gesta::event::EventKind {
            name: #name,
            schema_version: #schema_version,
            aliases: &[#(#aliases),*],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler would say about this enum.
    fn refused(source: &str) -> Vec<String> {
        let input = syn::parse_str(source).expect("is Rust");
        let error = event(&input).expect_err("is refused");
        error.into_iter().map(|one| one.to_string()).collect()
    }

    #[test]
    fn a_missing_name_says_what_to_write_and_where() {
        let said = refused("enum E { Confirmed(C), Shipped(S) }");
        assert_eq!(said.len(), 2, "every variant is named at once: {said:?}");
        assert!(said[0].contains("#[event(name = \"…\")]` above `Confirmed`"), "{said:?}");
    }

    #[test]
    fn two_variants_do_not_share_a_spelling() {
        let twice = r#"enum E { #[event(name = "a")] A(A), #[event(name = "b", aliases("x", "a"))] B(B) }"#;
        assert_eq!(refused(twice), [r#""a" is a spelling of `A` already"#]);
        let same = r#"enum E { #[event(name = "a", aliases("a"))] A(A) }"#;
        assert_eq!(refused(same), [r#""a" is a spelling of `A` already"#]);
    }

    #[test]
    fn a_variant_holds_exactly_one_value() {
        for variant in ["A", "A { x: u32 }", "A(B, C)", "A()"] {
            let said = refused(&format!(r#"enum E {{ #[event(name = "a")] {variant} }}"#));
            assert!(
                said[0].starts_with("an event holds exactly one value: write `A(A)`"),
                "{variant}: {said:?}"
            );
        }
    }

    #[test]
    fn what_is_no_enum_of_events_is_refused() {
        assert!(refused("struct E;")[0].starts_with("events are an enum"));
        assert!(refused("enum E {}")[0].starts_with("there is no event in here"));
    }

    #[test]
    fn illegal_and_unknown_keys_are_refused() {
        let cases = [
            (r#"name = """#, "an event's name has 1 to 256 bytes"),
            (r#"name = "a\nb""#, "an event's name has 1 to 256 bytes"),
            (r#"name = "a", schema_version = 0"#, "schema versions begin at 1"),
            (r#"name = "a", name = "b""#, "it is given twice"),
            (r#"name = "a", alias = "b""#, "unknown key: use name"),
        ];
        for (keys, expected) in cases {
            let said = refused(&format!("enum E {{ #[event({keys})] A(A) }}"));
            assert!(said[0].starts_with(expected), "{keys}: {said:?}");
        }
    }
}
