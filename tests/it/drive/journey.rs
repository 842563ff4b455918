//! Journeys of goose's users.

use std::time::Duration;

use lab_load::wire::{
    DriveOutcome, ErrorClass, Extraction, Mode, Step, StepExpectation, StepText, TextPiece, TextRule, ValueSource,
};

use super::driver::{drive, number, plan};
use super::servers::{Behaviour, runtime, send, serve};

fn step(name: &str, target: &[TextPiece]) -> Step {
    Step {
        name: name.to_owned(),
        method: "GET".to_owned(),
        target: StepText(target.to_vec()),
        headers: Vec::new(),
        body: StepText::default(),
        times: number(1),
        think: Duration::ZERO,
        extract: Vec::new(),
        expect: StepExpectation::default(),
    }
}

fn literal(text: &str) -> TextPiece {
    TextPiece::Literal(text.to_owned())
}

/// Log in, request three pages with values of the response, log out.
fn journey() -> Vec<Step> {
    let value = |name: &str| TextPiece::Value(name.to_owned());
    let extraction = |name: &str, from| Extraction { name: name.to_owned(), from, matches: None };
    vec![
        Step {
            method: "POST".to_owned(),
            extract: vec![
                extraction("token", ValueSource::Json("/token".to_owned().try_into().unwrap())),
                extraction("id", ValueSource::Cookie("id".to_owned())),
            ],
            ..step("log in", &[literal("/login")])
        },
        Step {
            headers: vec![("Cookie".to_owned(), StepText(vec![literal("id="), value("id")]))],
            times: number(3),
            think: Duration::from_millis(5),
            expect: StepExpectation { body: Some(TextRule::Contains("item".to_owned())), ..StepExpectation::default() },
            ..step("look", &[literal("/items?token="), value("token")])
        },
        step("log out", &[literal("/logout")]),
    ]
}

/// Answers as the journey wants it, the items with `items`.
fn drive_journey(items: &'static str) -> DriveOutcome {
    let runtime = runtime();
    let (address, _) = serve(&runtime, move |number, head| {
        let response = |extra: &str, body: &str| {
            let length = body.len();
            Behaviour::Send(format!("HTTP/1.1 200 OK\r\n{extra}Content-Length: {length}\r\n\r\n{body}").into())
        };
        let first_line = head.lines().next().unwrap_or_default();
        if first_line.starts_with("POST /login ") {
            response(&format!("Set-Cookie: id={number}; HttpOnly\r\n"), &format!("{{\"token\": {number}}}"))
        } else if first_line.starts_with("GET /items?token=") {
            // The same number in both: both came from the same response.
            let token = first_line.split(['=', ' ']).nth(2).unwrap_or_default();
            match head.to_lowercase().contains(&format!("cookie: id={token}\r\n")) {
                true => response("", items),
                false => send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
            }
        } else {
            response("", "bye")
        }
    });
    drive(&plan(address, Mode::Goose { users: number(3), steps: journey() }))
}

#[test]
fn steps_use_values_from_earlier_steps() {
    let outcome = drive_journey("an item");
    assert_eq!(outcome.ledger.failures(), 0);
    let counts: Vec<(&str, u64)> = outcome.steps.iter().map(|step| (step.name.as_str(), step.ok)).collect();
    let [("log in", first), ("look", looks), ("log out", last)] = counts[..] else { panic!("{counts:?}") };
    assert_eq!(first + looks + last, outcome.ledger.ok);
    assert!(last > 0 && first.abs_diff(last) <= 3, "{counts:?}");
    assert!(looks.abs_diff(3 * first) <= 9, "three times as many: {counts:?}");
    assert_eq!(outcome.steps[1].service_time_us.len(), looks);
    assert_eq!(outcome.connections_opened, Some(3));
}

#[test]
fn failed_step_restarts_the_journey() {
    let outcome = drive_journey("nothing");
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&ErrorClass::CheckFailed]);
    let [first, look, last] = &outcome.steps[..] else { panic!("{:?}", outcome.steps) };
    assert!(first.ok > 0 && look.ok == 0 && look.failed > 0);
    assert_eq!((last.ok, last.failed), (0, 0), "never reached");
}
