//! What is appended comes back to the byte, under any legal name.

use gesta_core::{
    AppendBatch, AppendError, ExpectedVersion, Filter, Metadata, NewEvent, Priority, ReadAll, Tenant,
    Timestamp, limits,
};

use crate::{
    Backend,
    given::{append, event, events_of, one, read_all, stream},
};

/// JSON of every kind keeps its spelling: spaces, escapes, numbers no machine type holds.
pub async fn json_comes_back_as_it_was_spelled(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let spelled = [
        "null",
        "0",
        "-0.0e-7",
        "\"\"",
        "[]",
        "{\"b\":1, \"a\" : [ 2 ]}",
        "123456789012345678901234567890.123456789012345678901234567890",
        "\"\\u00e9\\ud83d\\ude00 é \\\" \\\\ \\n\"",
        "{\"\":{\"\":[[[[{}]]]]}}",
    ];
    for (at, text) in spelled.into_iter().enumerate() {
        let to = format!("json-{at}");
        append(&store, one(&to, NewEvent::new("spelled", text))).await;
        assert_eq!(events_of(&store, &to).await[0].data, text);
    }
}

/// Data that is not JSON comes back byte for byte, every byte there is and none at all.
pub async fn binary_comes_back_byte_for_byte(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let cases = [
        ("application/octet-stream", bytes.clone()),
        ("application/vnd.apache.avro+binary", [&[0, 0, 0, 0, 7], &bytes[..]].concat()),
        ("text/plain; charset=utf-8", "grüße\0\r\n".into()),
        ("application/x-empty", vec![]),
    ];
    for (at, (media, data)) in cases.into_iter().enumerate() {
        let given = NewEvent { content_type: media.into(), ..NewEvent::new("binary", data.clone()) };
        let to = format!("binary-{at}");
        let batch = one(&to, given);
        append(&store, batch.clone()).await;
        let read = events_of(&store, &to).await;
        assert_eq!((&*read[0].content_type, &read[0].data[..]), (media, &data[..]));
        assert!(append(&store, batch).await.repeated, "{media} is not the same content on a retry");
    }
}

/// All nine reserved keys and the caller's own come back; without a correlation it is the event's own id.
pub async fn metadata_comes_back_whole(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let own = r#"{"nested":{"b":1,"a":[ 2 ]},"big":123456789012345678901234567890,"é k":null,"t":"x"}"#;
    let full = Metadata {
        correlation_id: Some("talk-7".into()),
        causation_id: Some("cause".into()),
        user_id: Some("u:ä".into()),
        source: Some("lab".into()),
        subject: Some("patient/1".into()),
        priority: Priority::new(5),
        occurred_at: Some(Timestamp::from_micros(1_400_000_000_123_456)),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        tracestate: Some("a=b".into()),
        ..Metadata::from_json(own.as_bytes()).expect("legal metadata")
    };
    append(&store, one("meta-1", event(1).with_metadata(full.clone()))).await;
    append(&store, one("meta-1", event(2))).await;
    let read = events_of(&store, "meta-1").await;
    assert_eq!(String::from_utf8_lossy(&read[0].metadata), String::from_utf8_lossy(&full.to_json()));
    let bare = read[1].metadata().expect("legal metadata");
    assert_eq!(bare.correlation_id, Some(read[1].id.to_string()));
}

/// Odd but legal stream ids and types are kept as given and can be asked for.
pub async fn odd_names_are_kept(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let longest = format!("c-{}", "k".repeat(limits::STREAM_ID_BYTES - 2));
    let streams = ["A.b_c-:@+=~", "a--", "0-0", "a-b-c-d", "x.y-1.2.3", "_-_", longest.as_str()];
    let longest = "é".repeat(limits::EVENT_TYPE_BYTES / 2);
    let types =
        ["PATIENT_CREATED", "a b", "ü?&=%20#", "*", "x,y", "\"q\"", "a/b\\c", "-", " ", longest.as_str()];
    for (at, id) in streams.into_iter().enumerate() {
        append(&store, one(id, NewEvent::new(types[at % types.len()], "1"))).await;
        let read = events_of(&store, id).await;
        assert_eq!((read.len(), read[0].stream.as_str()), (1, id));
        let all = read_all(&store, ReadAll::of(Filter::of(Tenant::default()).streams([id]))).await;
        assert_eq!(all.len(), 1, "{id}");
    }
    for name in types {
        let given = NewEvent { schema_version: u32::MAX, ..NewEvent::new(name, "1") };
        let placed = append(&store, one("type-1", given)).await.last();
        let read = events_of(&store, "type-1").await.pop().expect("just appended");
        assert_eq!((&*read.event_type, read.schema_version, read.id), (name, u32::MAX, placed.id));
    }
}

/// Streams of Gesta itself are legal in a store, hidden unless asked for, and refused at an edge.
pub async fn streams_of_gesta_itself_are_hidden(backend: &dyn Backend) {
    let store = backend.store(&Tenant::default()).await;
    let batch = AppendBatch::to(stream("$law-1"), ExpectedVersion::Any, [event(1)]);
    let id = batch.appends[0].events[0].id;
    let result = store.append(batch).await;
    if backend.is_edge() {
        let error = result.expect_err("an edge refuses them");
        assert!(!matches!(error, AppendError::Unknown { .. } | AppendError::Busy { .. }), "{error}");
        return;
    }
    result.expect("a store takes them");
    let seen =
        async |filter: Filter| read_all(&store, ReadAll::of(filter)).await.iter().any(|event| event.id == id);
    assert!(!seen(Filter::of(Tenant::default())).await);
    assert!(!seen(Filter::of(Tenant::default()).streams(["$law-1"])).await);
    assert!(seen(Filter::of(Tenant::default()).with_system()).await);
    assert_eq!(events_of(&store, "$law-1").await.len(), 1, "by its name it can always be read");
}
