//! The transition tables, as snapshots: a review sees every change of behaviour.

use std::fmt::Write;

use super::*;

type Step = (&'static str, fn(&mut Desk));

fn row(out: &mut String, begin: fn() -> Desk, state: &Step, event: &Step) {
    let mut desk = begin();
    state.1(&mut desk);
    desk.said();
    event.1(&mut desk);
    let said = desk.said().join(", ");
    let said = if said.is_empty() { "-" } else { &said };
    let (now, cause) = desk.keypad.state();
    let cause = cause.map(|cause| format!(" {cause}")).unwrap_or_default();
    writeln!(out, "{:<22} + {:<22} -> {said:<52} [{now}{cause}]", state.0, event.0).unwrap();
}

fn table(begin: fn() -> Desk, states: &[Step], events: &[Step]) -> String {
    let mut out = String::new();
    for state in states {
        for event in events {
            row(&mut out, begin, state, event);
        }
        out.push('\n');
    }
    out
}

const KEYS: [Step; 12] = [
    ("digit", |d| d.tap(KP[7])),
    ("letter", |d| d.tap(KEY_A)),
    ("dot", |d| d.tap(DOT)),
    ("dot, 2", |d| d.taps(&[DOT, KP[2]])),
    ("ok", |d| d.tap(ENTER)),
    ("cancel", |d| d.tap(ESC)),
    ("backspace", |d| d.tap(BACKSPACE)),
    ("clear", |d| d.tap(CLEAR)),
    ("unmapped key", |d| d.tap(69)),
    ("events lost", |d| d.handle(Event::SynDropped { keys_down: vec![] })),
    ("20 s pass", |d| d.pass(20_000)),
    ("60 s pass", |d| d.pass(60_000)),
];

#[test]
fn amount_confirmation_table() {
    let states: [Step; 1] = [("waiting", |d| d.start(Entry::ConfirmAmount))];
    insta::assert_snapshot!(table(Desk::open, &states, &KEYS));
}

#[test]
fn pin_entry_table() {
    let states: [Step; 5] = [
        ("pin empty", |d| d.start(d.pin(false))),
        ("pin empty, bypass", |d| d.start(d.pin(true))),
        ("pin short", |d| {
            d.start(d.pin(true));
            d.taps(&[KP[1]; 3]);
        }),
        ("pin long enough", |d| {
            d.start(d.pin(true));
            d.taps(&[KP[1]; 4]);
        }),
        ("pin full", |d| {
            d.start(d.pin(true));
            d.taps(&[KP[1]; 6]);
        }),
    ];
    insta::assert_snapshot!(table(Desk::open, &states, &KEYS));
}

#[test]
fn number_and_password_entry_table() {
    let states: [Step; 5] = [
        ("number empty", |d| d.start(Entry::Number { max: 2 })),
        ("number some", |d| {
            d.start(Entry::Number { max: 2 });
            d.tap(KP[3]);
        }),
        ("number full", |d| {
            d.start(Entry::Number { max: 2 });
            d.taps(&[KP[3]; 2]);
        }),
        ("password empty", |d| d.start(Entry::Password)),
        ("password some", |d| {
            d.start(Entry::Password);
            d.tap(KP[3]);
        }),
    ];
    insta::assert_snapshot!(table(Desk::open, &states, &KEYS));
}

#[test]
fn component_entry_table() {
    let states: [Step; 5] = [
        ("component empty", |d| d.start(Entry::Component)),
        ("component some", |d| {
            d.start(Entry::Component);
            d.taps(&[KP[4]; 5]);
        }),
        ("component shifted", |d| {
            d.start(Entry::Component);
            d.taps(&[KP[4], DOT]);
        }),
        ("component one short", |d| {
            d.start(Entry::Component);
            d.taps(&[KP[4]; 31]);
        }),
        ("component full", |d| {
            d.start(Entry::Component);
            d.taps(&[KP[4]; 32]);
        }),
    ];
    insta::assert_snapshot!(table(Desk::open, &states, &KEYS));
}

fn opened(desk: &mut Desk, keys_down: Vec<u16>) {
    desk.handle(Event::Opened { name: "pad".into(), keys_down });
}

fn ready(desk: &mut Desk) {
    opened(desk, vec![]);
}

const DEVICE_STATES: [Step; 11] = [
    ("starting", |_| {}),
    ("absent", |d| d.handle(Event::Closed)),
    ("ready", ready),
    ("ready, key down", |d| opened(d, vec![KP[1]])),
    ("ready, key stuck", |d| {
        opened(d, vec![KP[1]]);
        d.pass(10_000);
    }),
    ("ready, bounced", |d| {
        ready(d);
        d.press(KP[1]);
        d.release(KP[1]);
    }),
    ("amount", |d| {
        ready(d);
        d.start(Entry::ConfirmAmount);
    }),
    ("amount, key held over", |d| {
        opened(d, vec![KP[1]]);
        d.start(Entry::ConfirmAmount);
    }),
    ("pin", |d| {
        ready(d);
        d.start(d.pin(false));
        d.taps(&[KP[1]; 4]);
    }),
    ("pin, key down", |d| {
        ready(d);
        d.start(d.pin(false));
        d.taps(&[KP[2]; 4]);
        d.press(KP[1]);
        d.pass(60);
    }),
    ("pin, key held over", |d| {
        opened(d, vec![KP[1]]);
        d.start(d.pin(false));
        d.taps(&[KP[2]; 4]);
    }),
];

const DEVICE_EVENTS: [Step; 16] = [
    ("opened", |d| opened(d, vec![])),
    ("closed", |d| d.handle(Event::Closed)),
    ("key 1 down", |d| d.press(KP[1])),
    ("key 1 up", |d| d.release(KP[1])),
    ("key 1 repeats", |d| d.change(KP[1], 2)),
    ("key 3 tapped", |d| d.tap(KP[3])),
    ("key 3 bounces", |d| {
        d.press(KP[3]);
        d.release(KP[3]);
    }),
    ("ok tapped", |d| d.tap(ENTER)),
    ("lost, none down", |d| d.handle(Event::SynDropped { keys_down: vec![] })),
    ("lost, 1 down", |d| d.handle(Event::SynDropped { keys_down: vec![KP[1]] })),
    ("start amount", |d| d.start(Entry::ConfirmAmount)),
    ("start pin", |d| d.start(d.pin(false))),
    ("stop", |d| d.handle(Event::Stop)),
    ("1 s passes", |d| d.pass(1_000)),
    ("10 s pass", |d| d.pass(10_000)),
    ("60 s pass", |d| d.pass(60_000)),
];

#[test]
fn device_table() {
    insta::assert_snapshot!(table(Desk::new, &DEVICE_STATES, &DEVICE_EVENTS));
}
