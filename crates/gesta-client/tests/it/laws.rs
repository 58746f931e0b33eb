//! The laws of an event store, over HTTP.

use gesta_conformance::conformance;

use crate::served::Served;

mod on_memory {
    use super::*;
    conformance!(Served::memory);
}

mod on_postgres {
    use super::*;
    conformance!(Served::postgres);
}

mod on_files {
    use super::*;
    conformance!(Served::file);
}
