//! Loads that a stack cannot serve: they end early, with the cause. Pure.

use crate::catalog::kind::{Ability, Workers};
use crate::record::{Measured, RoundIssue, RoundOutcome, RoundRecord};
use crate::scenario::model::{Load, OnErrors, Stack};
use crate::stack::logs::LogExcerpt;
use lab_load::accounting::audit::OfferedLoad;
use lab_load::wire::DriveOutcome;

/// The issue of a round in which more than half of the responses are errors.
const MOSTLY_ERRORS: &str = "mostly-errors";
/// The issue of the round after which a load ends.
const GIVEN_UP: &str = "given-up";
/// Issues that come from the stack and the load, so that another round has them too. Others come from the machine.
const STACK_ISSUES: [&str; 3] = [MOSTLY_ERRORS, "nothing-ok", "littles-law"];

/// Whether a load may have no more errors than good responses, and has.
pub(super) fn has_mostly_errors(load: &Load, outcome: &DriveOutcome) -> bool {
    load.errors == OnErrors::Fail && outcome.ledger.failures() > outcome.ledger.ok
}

/// The issue of such a round, with what the stack has logged about it.
pub(super) fn mostly_errors(measured: &Measured, logged: &[LogExcerpt]) -> RoundIssue {
    let failed: u64 = measured.failed.values().sum();
    let percent = 100 * failed / (failed + measured.ok).max(1);
    let classes: Vec<String> =
        measured.failed.iter().map(|(class, count)| format!("{count} {}", class.name())).collect();
    let cause = logged.iter().find_map(most_frequent).map(|cause| format!("; {cause}")).unwrap_or_default();
    let message = format!("{percent} % of the responses are errors ({}){cause}", classes.join(", "));
    RoundIssue { kind: MOSTLY_ERRORS.to_owned(), invalidates: true, message }
}

/// What a log says most often: its file and the message.
fn most_frequent(excerpt: &LogExcerpt) -> Option<String> {
    let messages: Vec<String> = excerpt.lines.iter().filter_map(|line| error_message(line)).collect();
    let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let count = |message: &&String| messages.iter().filter(|other| shape(other) == shape(message)).count();
    let message = messages.iter().max_by_key(count)?;
    let file = excerpt.file.file_name().unwrap_or_default().to_string_lossy();
    Some(format!("{file} says \"{message}\""))
}

/// The message of an error: of nginx's, without its prefix and without the request; of Python's, the exception.
fn error_message(line: &str) -> Option<String> {
    const LEVELS: [&str; 5] = ["[warn] ", "[error] ", "[crit] ", "[alert] ", "[emerg] "];
    if let Some(rest) = LEVELS.iter().find_map(|level| Some(line.split_once(level)?.1)) {
        // `123#123: *45 limiting requests, excess: 5.1 by zone "one", client: 127.0.0.1, …`
        let message = rest.split_once(": ").map_or(rest, |(_, message)| message);
        let message = match message.strip_prefix('*').and_then(|numbered| numbered.split_once(' ')) {
            Some((_, message)) => message,
            None => message,
        };
        return Some(message.split(", client:").next().unwrap_or(message).to_owned());
    }
    let name = line.split([':', ' ']).next()?;
    let is_exception = (name.ends_with("Error") || name.ends_with("Exception")) && !line.starts_with(' ');
    is_exception.then(|| line.to_owned())
}

/// The cause that lies in the stack's nature: without a proxy, its server keeps fewer connections at a time than the load has.
pub(super) fn starvation(stack: &Stack, offered: OfferedLoad) -> Option<String> {
    let OfferedLoad::Users { users } = offered else { return None };
    let server = &stack.server;
    let reason = server.kind.cannot(Ability::MoreConnections).filter(|_| stack.proxy.is_none())?;
    let Some(Workers::Count(workers)) = server.workers else { return None };
    let served = u32::from(workers.get()) * server.threads.map_or(1, |threads| u32::from(threads.get()));
    let message = || {
        format!(
            "`{}` serves {served} of the {users} connections at a time, because {reason}; the others wait",
            server.kind
        )
    };
    (users.get() > served).then(message)
}

/// Adds that cause to the issues that come from the stack.
pub(super) fn explain(issues: &mut [RoundIssue], cause: &str) {
    for issue in issues.iter_mut().filter(|issue| STACK_ISSUES.contains(&issue.kind.as_str())) {
        issue.message.push_str("; ");
        issue.message.push_str(cause);
    }
}

/// Why a stack is not driven any further with a load; `None` while there is hope.
pub(super) fn reason<'a>(rounds: &'a [RoundRecord], load: &str, stack: &str) -> Option<&'a RoundIssue> {
    let visits = rounds.iter().filter(|round| round.load == load && round.stack == stack);
    let mut last: Option<&RoundIssue> = None;
    for round in visits {
        let issue = stack_issue(round);
        if let Some(issue) = issue
            && (issue.kind == MOSTLY_ERRORS || last.is_some_and(|last| last.kind == issue.kind))
        {
            return Some(issue);
        }
        last = issue;
    }
    None
}

/// The issue that makes a round invalid, if it comes from the stack.
fn stack_issue(round: &RoundRecord) -> Option<&RoundIssue> {
    let RoundOutcome::Measured(measured) = &round.outcome else { return None };
    measured.issues.iter().find(|issue| issue.invalidates && STACK_ISSUES.contains(&issue.kind.as_str()))
}

/// Adds to a round that it was the last one.
pub(super) fn give_up(round: &mut RoundRecord) {
    let RoundOutcome::Measured(measured) = &mut round.outcome else { return };
    let message = "the load ends here for this stack: further rounds would be the same".to_owned();
    measured.issues.push(RoundIssue { kind: GIVEN_UP.to_owned(), invalidates: true, message });
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU16, NonZeroU32};

    use super::*;
    use crate::catalog::kind::Interface;
    use crate::catalog::{Catalog, Role};
    use crate::scenario::model::{App, Backend, Server};

    #[test]
    fn starved_connections_are_counted() {
        let kind = |name: &str| Catalog::builtin().choose(Role::Server, name).unwrap();
        let users = |users: u32| OfferedLoad::Users { users: NonZeroU32::new(users).unwrap() };
        let stack = |name: &str| {
            let mut server = Server::new(kind(name));
            server.workers = Some(Workers::Count(NonZeroU16::new(2).unwrap()));
            Stack { server, ..native_stack() }
        };
        let cause = starvation(&stack("uwsgi"), users(8)).unwrap();
        assert!(cause.starts_with("`uwsgi` serves 2 of the 8 connections at a time, because each process"), "{cause}");
        assert_eq!(starvation(&stack("uwsgi"), users(2)), None);
        assert_eq!(starvation(&stack("waitress"), users(8)), None);
        let issue = |kind: &str| RoundIssue { kind: kind.to_owned(), invalidates: true, message: "why".to_owned() };
        let mut issues = [issue("littles-law"), issue("late-driver")];
        explain(&mut issues, "the cause");
        assert_eq!(issues.map(|issue| issue.message), ["why; the cause", "why"]);
    }

    fn native_stack() -> Stack {
        Stack {
            name: "site".to_owned(),
            proxy: None,
            server: Server::new(Catalog::builtin().choose(Role::Server, "lab").unwrap()),
            backend: Backend::Process,
            app: Interface::Native,
            apps: App::Native("hello".to_owned()),
            reference: false,
            measured: true,
            is_optional: false,
            impossible: None,
            version: None,
        }
    }

    #[test]
    fn most_frequent_message_of_a_log_is_the_cause() {
        let line = |number: u32, text: &str| {
            format!("2026/11/30 09:00:00 [error] 7#7: *{number} {text}, client: 127.0.0.1, server: _")
        };
        let excerpt = |lines: Vec<String>| LogExcerpt { file: "run/error.log".into(), lines, left_out: 0 };
        let limited = |excess: u32| format!("limiting requests, excess: 5.{excess} by zone \"one\"");
        let lines = vec![line(1, "open() \"/favicon.ico\" failed"), line(2, &limited(1)), line(3, &limited(22))];
        let found = most_frequent(&excerpt(lines)).unwrap();
        assert!(found.starts_with("error.log says \"limiting requests, excess: 5."), "{found}");
        assert!(found.ends_with("by zone \"one\"\""), "{found}");
        let python = vec!["Traceback (most recent call last):".to_owned(), "KeyError: 'price'".to_owned()];
        assert_eq!(most_frequent(&excerpt(python)).unwrap(), "error.log says \"KeyError: 'price'\"");
        assert_eq!(most_frequent(&excerpt(vec!["all is well".to_owned()])), None);
    }
}
