//! What can go wrong, by a name that never changes.

use std::{fmt, str::FromStr};

/// Writes the enum, its table and its pages from one list, so that none can lack an entry.
macro_rules! codes {
    ($($name:ident $text:literal $status:literal $retryable:literal $title:literal;)*) => {
        /// What went wrong: stable, snake case, one page each in `docs/errors/`.
        ///
        /// ```
        /// use gesta_api::Code;
        /// let code: Code = "version_conflict".parse()?;
        /// assert_eq!((code.status(), code.retryable()), (412, false));
        /// # Ok::<(), String>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it is written in a reply.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// Whether the same request may succeed later without a change.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable),* }
            }

            /// A line for people, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// Its page: what happened, why, what to do, an example. Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../../../docs/errors/", $text, ".md"))),*
                }
            }
        }
    };
}

codes! {
    MalformedJson "malformed_json" 400 false "The body is not one well-formed JSON value";
    MalformedRequest "malformed_request" 400 false "The path, query or a header cannot be understood";
    IllegalStream "illegal_stream" 400 false "The stream id is illegal";
    IllegalCursor "illegal_cursor" 400 false "The cursor is none that this server gave to this tenant";
    Unauthenticated "unauthenticated" 401 false "The credential is missing or unknown";
    Forbidden "forbidden" 403 false "The credential lacks the permission";
    SystemStream "system_stream" 403 false "The stream belongs to Gesta itself";
    RouteNotFound "route_not_found" 404 false "There is no such route";
    StreamNotFound "stream_not_found" 404 false "The stream has no event";
    EventNotFound "event_not_found" 404 false "There is no such event";
    GroupNotFound "group_not_found" 404 false "There is no such group";
    ProcessorNotFound "processor_not_found" 404 false "There is no such processor";
    CategoryNotFound "category_not_found" 404 false "The server folds no aggregates of this category";
    AggregateNotFound "aggregate_not_found" 404 false "There is no such aggregate, or not yet at that version or time";
    MethodNotAllowed "method_not_allowed" 405 false "The route does not take this method";
    RequestTimeout "request_timeout" 408 true "The request did not arrive in time";
    EventIdTaken "event_id_taken" 409 false "The event id is taken by other content";
    BatchPartlyKnown "batch_partly_known" 409 false "Some events of the batch were appended before";
    GroupExists "group_exists" 409 false "The group exists with another definition";
    RebuildRunning "rebuild_running" 409 false "The read model is being rebuilt already";
    NoRebuild "no_rebuild" 409 false "The read model is not being rebuilt";
    NoFormerGeneration "no_former_generation" 409 false "The read model has no generation to go back to";
    LeaseLost "lease_lost" 409 false "The delivery is no longer leased to the caller";
    CursorOfAnotherLog "cursor_of_another_log" 410 false "The cursor belongs to another life of the log";
    VersionConflict "version_conflict" 412 false "The stream is not at the expected version";
    BodyTooLarge "body_too_large" 413 false "The body is larger than the server takes";
    EventTooLarge "event_too_large" 413 false "An event is larger than the store takes";
    BatchTooLarge "batch_too_large" 413 false "The batch is larger than the store takes";
    UnsupportedContentType "unsupported_content_type" 415 false "The body is not declared as JSON";
    InvalidField "invalid_field" 422 false "A field is missing, unknown, mistyped or out of range";
    IdempotencyKeyReused "idempotency_key_reused" 422 false "The idempotency key was used for another request";
    Unsupported "unsupported" 422 false "The server does not offer this";
    TooManyRequests "too_many_requests" 429 true "The tenant's quota is used up";
    HeadersTooLarge "headers_too_large" 431 false "The request head is larger than the server takes";
    Internal "internal" 500 false "The server has a defect";
    StoreDamaged "store_damaged" 500 false "Stored data is damaged";
    EventNotUnderstood "event_not_understood" 500 false "A stored event is not understood by the program";
    Starting "starting" 503 true "The server is still opening its store";
    Overloaded "overloaded" 503 true "The server takes no more work now";
    StoreBusy "store_busy" 503 true "The store is busy and stored nothing";
    StoreUnavailable "store_unavailable" 503 true "The store cannot be used now";
    OutcomeUnknown "outcome_unknown" 503 true "Whether the events were appended is unknown";
    GroupBusy "group_busy" 503 true "The group runs elsewhere or takes no more now";
    OwnerUnreachable "owner_unreachable" 503 true "The process that runs it does not answer";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|code| code.as_str() == text);
        found.copied().ok_or_else(|| format!("unknown problem code {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let files = fs::read_dir(folder).expect("docs/errors exists");
        let pages: BTreeSet<String> = files
            .map(|file| file.expect("readable").path().file_stem().expect("named").display().to_string())
            .filter(|name| name != "README")
            .collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(pages, codes);
    }

    #[test]
    fn every_page_says_what_happened_why_and_what_to_do_with_an_example() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {code}\n")), "{code}: the page begins with its code");
            let status = format!("Status {}", code.status());
            let again = if code.retryable() { "retryable" } else { "not retryable" };
            for part in [&*status, again, "## What happened", "## Why", "## What to do", "## Example"] {
                assert!(page.contains(part), "the page of {code} lacks {part:?}");
            }
            assert!(page.contains(&format!("\"code\":\"{code}\"")), "the example of {code} shows its code");
        }
    }

    #[test]
    fn codes_are_told_apart_by_their_text() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse::<Code>(), Ok(*code));
        }
    }
}
