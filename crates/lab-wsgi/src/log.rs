//! The error log's lines, in gunicorn's form: `[2026-11-24 11:00:00 +0000] [1234] [INFO] worker 1234 is ready`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

struct ErrorLog;

/// Starts to log to the standard error stream.
pub(crate) fn start() {
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).event_format(ErrorLog);
    // A second worker in one process logs to where the first does.
    let _ = subscriber.with_max_level(tracing::Level::INFO).try_init();
}

impl<S, N> FormatEvent<S, N> for ErrorLog
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now = jiff::Zoned::now();
        let level = event.metadata().level();
        write!(to, "[{}] [{}] [{level}] ", now.strftime("%Y-%m-%d %H:%M:%S %z"), std::process::id())?;
        // One line each, whatever a message holds.
        let mut text = FormattedFields::<N>::new(String::new());
        context.format_fields(text.as_writer(), event)?;
        writeln!(to, "{}", text.fields.replace(['\n', '\r'], " "))
    }
}
