//! What a backend, staff or a technician may ask of a running cart, and what it answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cartvision_tests::bench::Bench;
use cartvision_tests::cart::{adjust, refusal, replies, start_session, stop};
use cartvision_tests::input::{PATTERN, camera};
use cartvision_tests::log::lines;
use cartvision_tests::mosquitto::{Door, Mosquitto};
use cartvision_tests::observer::{Message, Observer, root, utc_before, utc_now};
use cartvision_tests::program::wait_until;
use cartvision_wire::{CommandName, UtcTime};
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rustix::process::Signal;
use serde_json::{Value, json};

#[test]
fn commands_are_carried_out_and_answered() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);

    let nobody = adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": 1 }]));
    assert_eq!(refusal(&nobody), "no-session");
    start_session(&observer, "visit-1");
    start_session(&observer, "visit-1");
    let other = observer.command(CommandName::SessionStart, json!({ "session": "visit-2" }));
    assert_eq!(refusal(&other), "session-open");
    let log = observer.wait_events(2);
    assert_eq!(log.kinds(), ["log.opened", "session.started"], "started once");

    // In, out, and wrong.
    let reply =
        adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": 3 }, { "id": "43", "delta": 1 }]));
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 3), ("43".into(), 1)].into());
    let reply = adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": -1 }]));
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 2), ("43".into(), 1)].into());
    let log = observer.wait_events(5);
    assert_eq!(log.kinds()[2..], ["item.added", "item.added", "item.removed"]);
    assert_eq!(log.events()[2]["data"]["decided_by"], "staff");
    for (session, changes, code) in [
        ("visit-2", json!([{ "id": "42", "delta": 1 }]), "session-mismatch"),
        ("visit-1", json!([{ "id": "42", "delta": 1 }, { "id": "44", "delta": 1 }]), "unknown-item"),
    ] {
        assert_eq!(refusal(&adjust(&observer, session, &changes)), code);
    }

    // An event was wrong: something else stands in its place; then nothing does.
    let cups = log.events()[3]["id"].clone();
    let correct = |changes: Value, event: &Value| {
        let payload = json!({ "session": "visit-1", "by": "scanner", "changes": changes, "corrects": event });
        observer.command(CommandName::BasketAdjust, payload)
    };
    let reply = correct(json!([{ "id": "42", "delta": 1 }]), &cups);
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 3)].into());
    let reply = correct(json!([]), &cups);
    assert_eq!(lines(&reply["result"]["basket"]), [("42".into(), 2)].into());
    let stranger = "01890a5d-ac96-774b-bcce-b302099a8057".into();
    assert_eq!(refusal(&correct(json!([]), &stranger)), "unknown-event");
    // What an event cannot carry whole is not done in part.
    let nine = json!({
        "issued_at": utc_now(), "session": "visit-1", "by": "staff", "corrects": cups,
        "changes": vec![json!({ "id": "42", "delta": 1 }); 9],
    });
    assert_eq!(refusal(&observer.ask("basket/adjust", &nine.to_string(), false)), "malformed");
    let log = observer.wait_events(7);
    for (revision, event) in [(1, 5), (2, 6)] {
        let data = &log.events()[event]["data"];
        assert_eq!((&data["corrects"], &data["revision"]), (&cups, &revision.into()));
    }

    for name in [CommandName::Snapshot, CommandName::Reload] {
        assert_eq!(refusal(&observer.command(name, json!({}))), "not-available");
    }
    let end = |session: &str| observer.command(CommandName::SessionEnd, json!({ "session": session }));
    assert_eq!(refusal(&end("visit-2")), "session-mismatch");
    assert_eq!(end("visit-1")["ok"], true);
    assert_eq!(refusal(&end("visit-1")), "no-session");
    let log = observer.wait_events(9);
    assert_eq!(log.kinds()[7..], ["session.ended", "session.settled"]);
    assert_eq!(lines(&log.events()[7]["data"]["basket"]), [("42".into(), 2)].into());
    assert_eq!(log.basket(), [("42".into(), 2)].into());
    let basket = observer
        .wait_on(&root().basket(), "the last basket", |b| b["sequence"] == log.events()[8]["sequence"]);
    assert_eq!((lines(&basket.json()), &basket.json()["session"]), (log.basket(), &"visit-1".into()));
    stop(cart);
    observer.expect_contract();
    assert_eq!(observer.events().events().len(), 9, "and nothing else happened");
}

/// A scanner that takes a barcode for a number: the basket is full of it once, and told so once.
#[test]
fn numbers_beyond_all_baskets() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);
    start_session(&observer, "visit-1");
    let changes = |delta: i32| json!([{ "id": "42", "delta": delta }]);
    let basket = |reply: &Value| lines(&reply["result"]["basket"]);
    for _ in 0..2 {
        let reply = adjust(&observer, "visit-1", &changes(i32::MAX));
        assert_eq!(basket(&reply), [("42".into(), u16::MAX.into())].into());
    }
    assert_eq!(basket(&adjust(&observer, "visit-1", &changes(-1)))["42"], i64::from(u16::MAX) - 1);
    assert_eq!(basket(&adjust(&observer, "visit-1", &changes(i32::MIN))), [].into());
    let log = observer.wait_events(6);
    assert_eq!(log.events()[2]["data"]["quantity"], i32::MAX);
    assert_eq!(log.events()[5]["data"]["quantity"], i32::MIN.unsigned_abs());
    let log = stop(cart);
    assert_eq!(log.matches("the basket is full").count(), 1, "{} bytes of log", log.len());
}

/// Commands make events, and events wait in the outbox, whose bound holds for them too.
#[test]
fn what_cannot_be_recorded_is_refused() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    // Answers and the state are heard, and nobody takes the events.
    let backend = Observer::on(&broker, root(), &format!("{}#", replies()));
    let screen = Observer::on(&broker, root(), &root().state());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    screen.wait_state("degraded", |_| true);
    start_session(&backend, "visit-1");
    // More than there is room for, and nobody waits for the answers.
    let changes = Value::from(vec![json!({ "id": "42", "delta": 1 }); 16]);
    let topic = root().command(CommandName::BasketAdjust);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    for n in 0..640 {
        // Of equal ones only the first would be obeyed; and none may be old before its turn comes.
        let at = UtcTime::from_ms(now - n).to_string();
        let payload = json!({ "issued_at": at, "session": "visit-1", "by": "staff", "changes": changes });
        backend.publish(&topic, &payload.to_string(), false, PublishProperties::default());
    }
    let refused = adjust(&backend, "visit-1", &changes);
    assert_eq!(refusal(&refused), "failed");
    assert!(refused.to_string().contains("outbox"), "{refused:#}");
    screen.wait("the reason", |messages| {
        messages.iter().any(|m| m.json()["reasons"].to_string().contains("outbox is full")).then_some(())
    });
    // What was taken is all there, and then there is room again.
    let consumer = Observer::on(&broker, root(), &root().events());
    let taken = || Some(adjust(&backend, "visit-1", &changes)).filter(|reply| reply["ok"] == true);
    let reply = wait_until(taken, || "there was room".to_owned());
    let sequence: usize = reply["result"]["basket"]["sequence"].as_str().unwrap().parse().unwrap();
    assert!((9_000..10_000).contains(&sequence), "{sequence}");
    consumer.wait("every event", |messages| (messages.len() >= sequence).then_some(()));
    let log = consumer.events();
    assert_eq!(log.basket(), lines(&reply["result"]["basket"]));
    assert_eq!(log.events().len(), sequence);
    stop(cart);
}

#[test]
fn events_are_sent_again_on_request() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);
    start_session(&observer, "visit-1");
    adjust(&observer, "visit-1", &json!([{ "id": "42", "delta": 1 }]));
    let log = observer.wait_events(3);
    let from = |epoch: &Value, sequence: &str| {
        observer.command(CommandName::EventsReplay, json!({ "epoch": epoch, "sequence": sequence }))
    };
    let epoch = &log.events()[0]["epoch"];
    let reply = from(epoch, "00000000000000000002");
    assert_eq!(reply["result"]["events"], 2, "{reply:#}");
    observer.wait("the events again", |messages| {
        (messages.iter().filter(|m| m.topic == root().events()).count() == 5).then_some(())
    });
    let heard = observer.event_messages();
    for (again, first) in heard[3..].iter().zip(&heard[1..]) {
        assert_eq!(again.payload, first.payload, "byte for byte, so with the same id");
    }
    assert_eq!(refusal(&from(epoch, "00000000000000000009")), "unknown-position");
    let other = "01890a5d-ac96-774b-bcce-b302099a8057".into();
    assert_eq!(refusal(&from(&other, "00000000000000000001")), "unknown-position");
    stop(cart);
    observer.expect_contract();
}

#[test]
fn commands_that_cannot_be_meant_are_refused() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let start = |issued_at: &str| json!({ "issued_at": issued_at, "session": "visit-1" }).to_string();
    // One that the broker had kept since before the cart came, with an age that would do.
    let kept = root().command(CommandName::SessionStart);
    observer.publish(&kept, &start(&utc_now()), true, answered_on(&format!("{}kept", replies())));
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    let reply = observer.wait_on(&format!("{}kept", replies()), "the answer to a kept command", |_| true);
    assert_eq!(refusal(&reply.json()), "retained");
    observer.publish(&kept, "", true, PublishProperties::default());

    let minute = Duration::from_secs(60);
    let ahead = "2999-01-01T00:00:00.000Z";
    for (name, payload, code) in [
        ("session/start", start(&utc_before(minute)), "stale"),
        ("session/start", start(ahead), "stale"),
        ("session/start", json!({ "session": "visit-1" }).to_string(), "malformed"),
        ("session/start", start("yesterday"), "malformed"),
        ("session/start", json!({ "issued_at": utc_now(), "session": "a b" }).to_string(), "malformed"),
        ("session/start", "no JSON".to_owned(), "malformed"),
        ("session/start", String::new(), "malformed"),
        ("session/start", format!("{}{}", start(&utc_now()), " ".repeat(9000)), "malformed"),
        (
            "basket/adjust",
            json!({ "issued_at": utc_now(), "session": "v", "by": "staff", "changes": [] }).to_string(),
            "malformed",
        ),
        ("session/dance", start(&utc_now()), "unknown-command"),
        ("session", start(&utc_now()), "unknown-command"),
    ] {
        let reply = observer.ask(name, &payload, false);
        assert_eq!(refusal(&reply), code, "{name} {payload:.80}");
        assert!(reply["error"]["message"].as_str().is_some_and(|m| !m.is_empty()));
    }

    // Where the cart may not speak it does not, be the command good or bad.
    let outside = [
        "elsewhere/replies",
        "cartvision/v1/store-1/cart-10/replies/1",
        &root().state(),
        &root().events(),
        &kept,
    ];
    for topic in outside {
        observer.publish(&kept, &start(&utc_before(minute)), false, answered_on(topic));
    }
    // Answered after them, so they are done with.
    start_session(&observer, "visit-1");
    for message in observer.messages().iter().filter(|m| outside.contains(&m.topic.as_str())) {
        let text = String::from_utf8_lossy(&message.payload);
        assert!(!text.contains("\"error\""), "an answer on {}: {text}", message.topic);
    }
    assert_eq!(observer.wait_events(2).kinds(), ["log.opened", "session.started"]);
    let log = stop(cart);
    assert!(log.contains("not under the cart's own root"), "{log}");
    observer.expect_contract();
}

fn answered_on(topic: &str) -> PublishProperties {
    PublishProperties { response_topic: Some(topic.to_owned()), ..Default::default() }
}

/// QoS 1 delivers at least once: what comes again, byte for byte, is done once, also over a restart.
#[test]
fn a_command_that_comes_twice_is_obeyed_once() {
    let bench = Bench::tiny();
    let broker = Mosquitto::start(Door::Open);
    let observer = Observer::of(&broker, root());
    let mut cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    observer.wait_state("online", |_| true);
    start_session(&observer, "visit-1");
    let changes = json!([{ "id": "42", "delta": 3 }]);
    let payload = json!({ "issued_at": utc_now(), "session": "visit-1", "by": "staff", "changes": changes });
    let topic = root().command(CommandName::BasketAdjust);
    let answers = format!("{}twice", replies());
    let send = || observer.publish(&topic, &payload.to_string(), false, answered_on(&answers));
    let heard = |count: usize| {
        observer.wait("the answers", |messages| {
            let replies: Vec<_> = messages.iter().filter(|m| m.topic == answers).map(Message::json).collect();
            (replies.len() == count).then_some(replies)
        })
    };
    send();
    assert_eq!(heard(1)[0]["ok"], true);
    send();
    let second = &heard(2)[1];
    assert_eq!((&second["ok"], &second["result"]["repeated"]), (&true.into(), &true.into()), "{second:#}");
    cart.signal(Signal::KILL);
    cart.wait();
    let cart = bench.start("cart", &broker, &camera("rim", PATTERN));
    send();
    assert_eq!(heard(3)[2]["result"]["repeated"], true);
    // Meant twice: another moment.
    adjust(&observer, "visit-1", &changes);
    stop(cart);
    assert_eq!(observer.events().basket(), [("42".to_owned(), 6)].into());
}
