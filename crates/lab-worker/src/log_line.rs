//! A line of the error log, in gunicorn's form: `[2026-11-24 11:00:00 +0000] [1234] [INFO] worker 1234 is ready`. The
//! arbiter and all kinds of workers use it.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine;

impl<S, N> FormatEvent<S, N> for LogLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now = jiff::Zoned::now();
        let level = match *event.metadata().level() {
            Level::WARN => "WARNING",
            Level::TRACE => "DEBUG",
            ref level => level.as_str(),
        };
        write!(to, "[{}] [{}] [{level}] ", now.strftime("%Y-%m-%d %H:%M:%S %z"), std::process::id())?;
        // A message may contain line breaks, and an entry must stay one line.
        let mut text = FormattedFields::<N>::new(String::new());
        context.format_fields(text.as_writer(), event)?;
        writeln!(to, "{}", text.fields.replace(['\n', '\r'], " "))
    }
}

/// The message of an event alone, for logs that add time and level themselves.
#[must_use]
pub fn event_text(event: &Event<'_>) -> String {
    let mut text = EventText(String::new());
    event.record(&mut text);
    text.0
}

struct EventText(String);

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // OK because writing to a String cannot fail
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
