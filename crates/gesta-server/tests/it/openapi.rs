//! The OpenAPI document is golden.

use std::{env, fs, path::Path};

use gesta_server::{declared, openapi};

/// Fails on a difference; with `GESTA_WRITE_OPENAPI` set it writes the file instead, which is what
/// `cargo xtask openapi` does.
#[test]
fn the_document_is_the_one_in_the_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if env::var_os("GESTA_WRITE_OPENAPI").is_some() {
        fs::write(&path, openapi::text()).expect("writes openapi.json");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == openapi::text(),
        "the routes have changed: run `cargo xtask openapi`, and look at what it changes in openapi.json"
    );
}

#[test]
fn it_is_openapi_3_1_and_every_route_is_in_it_with_its_permission() {
    let document: serde_json::Value = serde_json::from_str(openapi::text()).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let declared = declared();
    let described: usize =
        document["paths"].as_object().unwrap().values().map(|p| p.as_object().unwrap().len()).sum();
    assert_eq!(described, declared.len());
    for route in declared {
        let operation = &document["paths"][&route.path][route.method.as_str().to_lowercase()];
        assert!(operation["x-permission"].is_string(), "{} {}", route.method, route.path);
        assert!(operation["summary"].is_string(), "{} {}", route.method, route.path);
    }
}

#[test]
fn every_reference_in_it_leads_somewhere() {
    let document: serde_json::Value = serde_json::from_str(openapi::text()).expect("JSON");
    let mut found = 0;
    for part in openapi::text().split("\"$ref\": \"").skip(1) {
        let pointer = part.split('"').next().unwrap().trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        found += 1;
    }
    assert!(found > 50, "{found}");
}
