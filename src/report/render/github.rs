//! Annotations as workflow commands of GitHub Actions.
//!
//! The syntax and what must be escaped: `actions/toolkit`, `packages/core/src/command.ts`.

use anstream::adapter::strip_str;

use crate::report::view::annotations::{Annotation, Level, Location};

/// GitHub shows this many annotations of one level in a step, and drops the others.
const SHOWN: usize = 10;

/// The commands, one per line. Where GitHub would drop some, the last one shown says how many there are.
#[must_use]
pub fn commands(annotations: &[Annotation]) -> String {
    let mut text = String::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let all: Vec<&Annotation> = annotations.iter().filter(|one| one.level == level).collect();
        let shown = if all.len() > SHOWN { SHOWN - 1 } else { all.len() };
        for annotation in &all[..shown] {
            text.push_str(&command(annotation));
        }
        if let Some(next) = all.get(shown) {
            let title = format!("{} more", all.len() - shown);
            let message = "GitHub shows ten annotations of a step; the job summary and the log have all.".to_owned();
            text.push_str(&command(&Annotation { title, message, ..(*next).clone() }));
        }
    }
    text
}

fn command(annotation: &Annotation) -> String {
    let Annotation { level, location: Location { file, line }, title, message } = annotation;
    let name = match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let [file, title] = [file, title].map(|value| property(value));
    format!("::{name} file={file},line={line},title={title}::{}\n", data(message))
}

fn data(text: &str) -> String {
    let plain = strip_str(text).to_string();
    plain.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(level: Level, title: &str, message: &str) -> Annotation {
        let location = Location { file: "a,b:c/x.toml".to_owned(), line: 7 };
        Annotation { level, location, title: title.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn what_would_end_a_value_is_escaped() {
        let text =
            commands(&[annotation(Level::Error, "100 %: a, b", "\u{1b}[31mone\u{1b}[0m: 5 %\r\n::error::two, three")]);
        assert_eq!(
            text,
            "::error file=a%2Cb%3Ac/x.toml,line=7,title=100 %25%3A a%2C b::one: 5 %25%0D%0A::error::two, three\n"
        );
    }

    #[test]
    fn surplus_is_counted() {
        let many: Vec<_> = (0..12).map(|n| annotation(Level::Warning, &format!("w{n}"), "m")).collect();
        let text = commands(&many);
        assert_eq!(text.lines().count(), 10);
        assert!(text.lines().last().unwrap().contains("title=3 more::"), "{text}");
        assert_eq!(commands(&many[..10]).lines().count(), 10);
        assert!(!commands(&many[..10]).contains("more"));
    }
}
