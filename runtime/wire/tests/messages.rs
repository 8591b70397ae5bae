//! Messages against the published schemas, both ways: what we build validates and reads back, and what is
//! broken does not validate.

#![allow(clippy::unwrap_used)] // clippy.toml lets tests unwrap, and these are helpers of tests

mod samples;

use std::collections::HashSet;

use cartvision_fuzz::{Edit, Executions, bolero, edited, edits};
use cartvision_wire::event::MAX_EVENT_BYTES;
use cartvision_wire::*;
use jsonschema::Validator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn validator(schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn value(message: &impl Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap()
}

fn assert_valid(validator: &Validator, message: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(message).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{message:#}\n{}", errors.join("\n"));
}

/// Valid, reads back equal, and reads back equal with a field that nobody knows.
fn assert_both_ways<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    validator: &Validator,
    message: &T,
) {
    let mut json = value(message);
    assert_valid(validator, &json);
    assert_eq!(&serde_json::from_value::<T>(json.clone()).unwrap(), message);
    json["new_in_a_later_minor_version"] = json!({ "a": [1, 2] });
    assert_valid(validator, &json);
    assert_eq!(&serde_json::from_value::<T>(json).unwrap(), message);
}

#[test]
fn every_event_validates_and_reads_back() {
    let validator = validator(schema::EVENT);
    let mut seen = HashSet::new();
    for data in samples::data() {
        seen.insert(data.event_type());
        let event = samples::event(data);
        let json = event.to_json().unwrap();
        assert!(!json.contains('\n'));
        assert!(json.len() <= MAX_EVENT_BYTES);
        assert_eq!(Event::from_json(json.as_bytes()).unwrap().as_ref(), Some(&event));
        assert_both_ways(&validator, &event);
        assert_both_ways(&validator, &Event { session: None, ..event });
    }
    assert_eq!(seen.len(), EventType::ALL.len(), "a type has no sample");
}

#[test]
fn the_contracts_example_is_ours() {
    let text = r#"{"specversion":"1.0","id":"0192f7a1-5a70-7c3e-9d52-0b6f3e8c1a24","source":"/carts/cart-17","subject":"s-1","type":"cartvision.item.added.v1","time":"2026-11-23T10:15:30.123Z","datacontenttype":"application/json","epoch":"0192f7a1-0000-7c3e-9d52-0b6f3e8c1a24","sequence":"00000000000000000042","data":{"item":{"kind":"catalogue","id":"08901030865278","label":"bottle"},"quantity":1,"confidence":0.97,"decided_by":"edge","cameras":["rim-left"],"media_time_ms":13012,"decided_media_time_ms":13250,"candidates":[{"id":"08901030865278","p":0.97}],"bundle":"grocery-24@1.3.0","clock":{"synced":true,"uncertainty_ms":4}}}"#;
    assert_valid(&validator(schema::EVENT), &serde_json::from_str(text).unwrap());
    let event = Event::from_json(text.as_bytes()).unwrap().unwrap();
    assert_eq!(event.data, EventData::ItemAdded(samples::act()));
    assert_eq!(event.to_json().unwrap(), text, "byte for byte, in the contract's order");
}

#[test]
fn optional_flags_are_left_out() {
    let json = |data: &EventData| serde_json::to_string(data).unwrap();
    let data = samples::data();
    let with = |flag: &str| data.iter().filter(|d| json(d).contains(flag)).count();
    assert_eq!((with("not_in_basket"), with("after_settlement"), with("lines_omitted")), (1, 1, 1));
    let Some(EventData::SessionEnded(ended)) = data.iter().rfind(|d| matches!(d, EventData::SessionEnded(_)))
    else {
        panic!("no sample");
    };
    assert_eq!(ended.basket.lines().len() + ended.basket.lines_omitted() as usize, 999);
}

/// One alteration of a valid message, and what it leads to.
type Broken = (&'static str, fn(&mut Value));

fn assert_refused(schema: &str, base: &Value, table: &[Broken], read: impl Fn(Value) -> bool) {
    let validator = validator(schema);
    assert_valid(&validator, base);
    assert!(read(base.clone()));
    let mut taken = Vec::new();
    for (what, alter) in table {
        let mut message = base.clone();
        alter(&mut message);
        assert_ne!(&message, base, "{what} alters nothing");
        if validator.is_valid(&message) {
            taken.push(format!("{what}: the schema takes it"));
        }
        if read(message) {
            taken.push(format!("{what}: the type takes it"));
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}

fn remove(message: &mut Value, field: &str) {
    message.as_object_mut().unwrap().remove(field).unwrap();
}

#[test]
fn broken_events_are_refused() {
    let base = value(&samples::event(EventData::ItemAdded(samples::act())));
    let table: &[Broken] = &[
        ("no sequence", |m| remove(m, "sequence")),
        ("no epoch", |m| remove(m, "epoch")),
        ("no id", |m| remove(m, "id")),
        ("no time", |m| remove(m, "time")),
        ("no subject", |m| remove(m, "subject")),
        ("no data", |m| remove(m, "data")),
        ("19 digits", |m| m["sequence"] = json!("0000000000000000042")),
        ("sequence 0", |m| m["sequence"] = json!("00000000000000000000")),
        ("a number as sequence", |m| m["sequence"] = json!(42)),
        ("another specversion", |m| m["specversion"] = json!("0.3")),
        ("another data content type", |m| m["datacontenttype"] = json!("text/plain")),
        ("an unknown type", |m| m["type"] = json!("cartvision.item.added.v2")),
        ("a type with another's data", |m| m["type"] = json!("cartvision.session.ended.v1")),
        ("a source without a cart", |m| m["source"] = json!("/carts/")),
        ("an empty subject", |m| m["subject"] = json!("")),
        ("a subject with a slash", |m| m["subject"] = json!("a/b")),
        ("an id that is none", |m| m["id"] = json!("42")),
        ("an epoch that is none", |m| m["epoch"] = json!("first")),
        ("a day without time", |m| m["time"] = json!("2026-11-23")),
        ("a month too many", |m| m["time"] = json!("2026-13-23T10:15:30.123Z")),
        ("no item", |m| remove(&mut m["data"], "item")),
        ("no media time", |m| remove(&mut m["data"], "media_time_ms")),
        ("no decision time", |m| remove(&mut m["data"], "decided_media_time_ms")),
        ("no clock", |m| remove(&mut m["data"], "clock")),
        ("no candidates", |m| remove(&mut m["data"], "candidates")),
        ("media time with a fraction", |m| m["data"]["media_time_ms"] = json!(1.5)),
        ("media time before the start", |m| m["data"]["media_time_ms"] = json!(-1)),
        ("a wrong kind", |m| m["data"]["item"]["kind"] = json!("fruit")),
        ("unknown with an id", |m| m["data"]["item"]["kind"] = json!("unknown")),
        ("catalogue without an id", |m| m["data"]["item"]["id"] = json!(null)),
        ("an empty id", |m| m["data"]["item"]["id"] = json!("")),
        ("no label", |m| remove(&mut m["data"]["item"], "label")),
        ("a label without end", |m| m["data"]["item"]["label"] = json!("x".repeat(65))),
        ("a label of two lines", |m| m["data"]["item"]["label"] = json!("a\nb")),
        ("quantity 0", |m| m["data"]["quantity"] = json!(0)),
        ("confidence 1.2", |m| m["data"]["confidence"] = json!(1.2)),
        ("confidence as text", |m| m["data"]["confidence"] = json!("0.9")),
        ("a stranger decides", |m| m["data"]["decided_by"] = json!("oracle")),
        ("a camera without a name", |m| m["data"]["cameras"] = json!([""])),
        ("six candidates", |m| m["data"]["candidates"] = json!(vec![json!({"id": "x", "p": 0.1}); 6])),
        ("a candidate without p", |m| m["data"]["candidates"] = json!([{"id": "x"}])),
        ("clock without uncertainty of the right kind", |m| {
            m["data"]["clock"]["uncertainty_ms"] = json!("small");
        }),
    ];
    assert_refused(schema::EVENT, &base, table, |m| serde_json::from_value::<Event>(m).is_ok());
}

#[test]
fn broken_data_of_the_other_types_is_refused() {
    let table: &[(&str, Broken)] = &[
        ("item.removed", ("no item", |m| remove(&mut m["data"], "item"))),
        ("item.unresolved", ("no change", |m| remove(&mut m["data"], "change"))),
        ("item.unresolved", ("a wrong change", |m| m["data"]["change"] = json!("moved"))),
        ("item.corrected", ("corrects nothing", |m| remove(&mut m["data"], "corrects"))),
        ("item.corrected", ("no replacement", |m| remove(&mut m["data"], "replacement"))),
        ("item.corrected", ("revision 0", |m| m["data"]["revision"] = json!(0))),
        (
            "item.corrected",
            ("a change nobody knows", |m| {
                m["data"]["replacement"] = json!([{"change": "unknown", "item": {"kind": "unknown", "id": null, "label": ""}, "quantity": 1, "confidence": 1}]);
            }),
        ),
        ("session.started", ("no cameras", |m| remove(&mut m["data"], "cameras"))),
        ("session.ended", ("no basket", |m| remove(&mut m["data"], "basket"))),
        ("session.ended", ("no questions", |m| remove(&mut m["data"], "pending_questions"))),
        ("session.settled", ("no clock", |m| remove(&mut m["data"], "clock"))),
        ("camera.degraded", ("no reason", |m| remove(&mut m["data"], "reason"))),
        ("camera.recovered", ("no camera", |m| remove(&mut m["data"], "camera"))),
        ("log.opened", ("no reason", |m| remove(&mut m["data"], "reason"))),
        ("log.opened", ("a wrong last sequence", |m| m["data"]["last_sequence"] = json!("7"))),
    ];
    for (name, broken) in table {
        let event_type = EventType::parse(&format!("cartvision.{name}.v1")).unwrap();
        let data = samples::data().into_iter().find(|d| d.event_type() == event_type).unwrap();
        let read = |m| serde_json::from_value::<Event>(m).is_ok();
        assert_refused(schema::EVENT, &value(&samples::event(data)), &[*broken], read);
    }
}

#[test]
fn events_of_unknown_types_are_passed_over() {
    let mut json = value(&samples::event(EventData::ItemAdded(samples::act())));
    json["type"] = json!("cartvision.cart.parked.v1");
    assert!(Event::from_json(json.to_string().as_bytes()).unwrap().is_none());
    assert!(Event::from_json(b"{}").is_err());
    assert!(Event::from_json(b"not json").is_err());
}

#[test]
fn states() {
    let validator = validator(schema::STATE);
    for state in samples::states() {
        assert_both_ways(&validator, &state);
    }
    let will = samples::state().will();
    assert_eq!((will.status, will.connection_id), (Status::Offline, samples::state().connection_id));
    assert_refused(
        schema::STATE,
        &value(&samples::state()),
        &[
            ("asleep", |m| m["status"] = json!("asleep")),
            ("no reasons", |m| remove(m, "reasons")),
            ("no connection", |m| remove(m, "connection_id")),
            ("no version", |m| remove(m, "version")),
            ("no bundle", |m| remove(m, "bundle")),
            ("no clock", |m| remove(m, "clock")),
            ("the session none", |m| m["session"] = json!("none")),
        ],
        |m| serde_json::from_value::<State>(m).is_ok(),
    );
    // What only the schema says: a cart that is not online says why.
    let mut silent = value(&samples::state());
    silent["status"] = json!("degraded");
    assert!(!validator.is_valid(&silent));
}

#[test]
fn baskets() {
    let validator = validator(schema::BASKET);
    for basket in samples::baskets() {
        assert_both_ways(&validator, &basket);
    }
    assert_refused(
        schema::BASKET,
        &value(&samples::baskets()[1]),
        &[
            ("no epoch", |m| remove(m, "epoch")),
            ("no sequence", |m| remove(m, "sequence")),
            ("no lines", |m| remove(m, "lines")),
            ("none of an item", |m| m["lines"][0]["quantity"] = json!(0)),
            ("a line without an id", |m| m["lines"][0]["id"] = json!(null)),
        ],
        |m| serde_json::from_value::<Basket>(m).is_ok(),
    );
}

#[test]
fn telemetry_and_summary() {
    assert_both_ways(&validator(schema::TELEMETRY), &samples::telemetry());
    assert_refused(
        schema::TELEMETRY,
        &value(&samples::telemetry()),
        &[
            ("no outbox", |m| remove(m, "outbox")),
            ("no memory", |m| remove(m, "memory")),
            ("a rate that is no number", |m| m["cameras"][0]["frames_per_s"] = json!(null)),
            ("fewer than none", |m| m["queues"][0]["dropped"] = json!(-1)),
        ],
        |m| serde_json::from_value::<Telemetry>(m).is_ok(),
    );
    assert_both_ways(&validator(schema::SUMMARY), &samples::summary());
    assert_refused(
        schema::SUMMARY,
        &value(&samples::summary()),
        &[("no frames", |m| remove(m, "frames")), ("no streams", |m| remove(m, "streams"))],
        |m| serde_json::from_value::<Summary>(m).is_ok(),
    );
}

#[test]
fn commands_validate_and_read_back() {
    let mut seen = HashSet::new();
    for request in samples::requests() {
        let name = request.command.name();
        seen.insert(name);
        let payload = request.payload().unwrap();
        let json: Value = serde_json::from_str(&payload).unwrap();
        let read = |m: Value| Request::parse(name.as_str(), m.to_string().as_bytes()).is_ok();
        assert_eq!(Request::parse(name.as_str(), payload.as_bytes()).unwrap(), request);
        assert_refused(
            schema::for_command(name),
            &json,
            &[
                ("no issue time", |m| remove(m, "issued_at")),
                ("an issue time in seconds", |m| m["issued_at"] = json!(1_795_428_930)),
                ("an issue time without offset", |m| m["issued_at"] = json!("2026-11-23T10:15:30.123")),
            ],
            read,
        );
        let mut offset = json;
        offset["issued_at"] = json!("2026-11-23T11:15:30.123+01:00");
        assert_valid(&validator(schema::for_command(name)), &offset);
        assert!(read(offset));
    }
    assert_eq!(seen.len(), CommandName::ALL.len(), "a command has no sample");
}

#[test]
fn broken_commands_are_refused() {
    let table: &[(CommandName, Broken)] = &[
        (CommandName::SessionStart, ("no session", |m| remove(m, "session"))),
        (CommandName::SessionStart, ("a session with a slash", |m| m["session"] = json!("a/b"))),
        (CommandName::SessionStart, ("the session none", |m| m["session"] = json!("none"))),
        (CommandName::BasketAdjust, ("nobody says so", |m| remove(m, "by"))),
        (CommandName::BasketAdjust, ("a customer says so", |m| m["by"] = json!("customer"))),
        (CommandName::BasketAdjust, ("no changes", |m| remove(m, "changes"))),
        (CommandName::BasketAdjust, ("nothing to adjust", |m| m["changes"] = json!([]))),
        (CommandName::BasketAdjust, ("a change of nothing", |m| m["changes"][0]["delta"] = json!(0))),
        (CommandName::EventsReplay, ("no epoch", |m| remove(m, "epoch"))),
        (CommandName::EventsReplay, ("a short sequence", |m| m["sequence"] = json!("1"))),
    ];
    for &(name, broken) in table {
        let request = samples::requests().into_iter().find(|r| r.command.name() == name).unwrap();
        let json = serde_json::from_str(&request.payload().unwrap()).unwrap();
        let read = |m: Value| Request::parse(name.as_str(), m.to_string().as_bytes()).is_ok();
        assert_refused(schema::for_command(name), &json, &[broken], read);
    }
}

#[test]
fn commands_are_refused_with_the_documented_code() {
    let issued_at = UtcTime::from_ms(1_000_000);
    let refusal = |name: &str, payload: &[u8]| Request::parse(name, payload).unwrap_err().refusal();
    assert_eq!(refusal("dance", b"{}"), Refusal::UnknownCommand);
    assert_eq!(refusal("snapshot", b"{}"), Refusal::Malformed);
    assert_eq!(refusal("snapshot", b""), Refusal::Malformed);
    assert_eq!(refusal("snapshot", &[b' '; 9000]), Refusal::Malformed);

    let request = Request { issued_at, command: Command::Snapshot };
    for (now_ms, fresh) in [
        (1_000_000, true),
        (1_030_000, true),
        (1_030_001, false),
        (970_000, true),
        (969_999, false),
        (0, false),
    ] {
        let answer = request.check_age(UtcTime::from_ms(now_ms));
        assert_eq!(answer.is_ok(), fresh, "{now_ms}");
        if let Err(error) = answer {
            assert_eq!(error.refusal(), Refusal::Stale);
            assert!(error.to_string().contains("1970-01-01T00:16:40.000Z"), "{error}");
        }
    }
}

#[test]
fn replies() {
    let validator = validator(schema::REPLY);
    let mut result = Map::new();
    result.insert("session".into(), json!("s-1"));
    let done = Reply::done(CommandName::SessionStart, result);
    assert_both_ways(&validator, &done);
    assert_eq!(value(&done), json!({"ok": true, "command": "session/start", "result": {"session": "s-1"}}));
    for &code in Refusal::ALL {
        let reply = Reply::refused(&"x".repeat(999), code, &"y".repeat(999));
        assert_both_ways(&validator, &reply);
        assert_eq!(value(&reply)["error"]["code"], code.as_str());
    }
    let error = Request::parse("dance", b"{}").unwrap_err();
    assert_refused(
        schema::REPLY,
        &value(&Reply::from_error("dance", &error)),
        &[
            ("fine and not", |m| m["ok"] = json!(true)),
            ("no error", |m| remove(m, "error")),
            ("result and error", |m| m["result"] = json!({})),
            ("no message", |m| remove(&mut m["error"], "message")),
        ],
        |m| serde_json::from_value::<Reply>(m).is_ok(),
    );
}

#[test]
fn topics_lead_to_their_schemas() {
    let root = samples::root();
    for (topic, expected) in [
        (root.events(), Some(schema::EVENT)),
        (root.state(), Some(schema::STATE)),
        (root.basket(), Some(schema::BASKET)),
        (root.telemetry(), Some(schema::TELEMETRY)),
        (root.command(CommandName::Reload), Some(schema::for_command(CommandName::Reload))),
        ("cartvision/v1/store-1/cart-17/commands/dance".into(), None),
        ("cartvision/v1/store-1/cart-17/replies/1".into(), Some(schema::REPLY)),
        ("cartvision/v1/store-1/cart-18/events".into(), None),
    ] {
        assert_eq!(schema::for_topic(&root, &topic), expected, "{topic}");
    }
}

#[test]
fn asyncapi_names_every_type_command_and_schema() {
    let mut wanted: Vec<String> = EventType::ALL.iter().map(|t| format!("name: {}\n", t.as_str())).collect();
    let root = "address: cartvision/v1/{store}/{cart}";
    wanted.extend(["events", "state", "basket", "telemetry"].map(|topic| format!("{root}/{topic}\n")));
    wanted.extend(CommandName::ALL.iter().map(|name| format!("{root}/commands/{}\n", name.as_str())));
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        // The summary goes to stderr, not to the broker.
        if file.ends_with(".json") && file != "summary.schema.json" {
            wanted.push(format!("'./{file}'"));
        }
    }
    let missing: Vec<_> = wanted.iter().filter(|text| !schema::ASYNCAPI.contains(text.as_str())).collect();
    assert!(missing.is_empty(), "asyncapi.yaml lacks {missing:?}");
    let referred = schema::ASYNCAPI.split("$ref: './").skip(1).filter_map(|rest| rest.split('\'').next());
    for file in referred {
        assert!(
            wanted.contains(&format!("'./{file}'")),
            "asyncapi.yaml refers to {file}, which is not there"
        );
    }
}

/// A command is read as what it says, or refused with a reply that tells why.
#[test]
fn fuzz_command() {
    let samples: Vec<(&str, Vec<u8>)> = samples::requests()
        .iter()
        .map(|request| (request.command.name().as_str(), request.payload().unwrap().into_bytes()))
        .collect();
    let tried = Executions::of("MQTT command");
    bolero::check!().with_generator((bolero::generator::produce::<u8>(), edits())).for_each(
        |(which, script): &(u8, Vec<Edit>)| {
            let (name, payload) = &samples[usize::from(*which) % samples.len()];
            let payload = edited(payload, script);
            let request = Request::parse(name, &payload);
            tried.one(request.is_ok());
            match request {
                Ok(request) => assert_eq!(request.command.name().as_str(), *name),
                Err(error) => {
                    let reply = serde_json::to_vec(&Reply::from_error(name, &error)).unwrap();
                    assert!(reply.len() < 4096, "a reply of {} bytes", reply.len());
                }
            }
        },
    );
}
