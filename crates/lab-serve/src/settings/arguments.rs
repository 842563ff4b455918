//! The settings' flags: what clap is told of them, and what it found.

use clap::builder::OsStr;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::kind::{self, Kind};
use super::layers::{SettingsError, alone};
use super::table::{Action, Setting, Standing, TABLE};
use super::value::Value;

/// The settings that a command line names, with what it says about them.
pub type Given = Vec<(&'static Setting, Value)>;

/// Adds a flag for each setting that has one.
#[must_use]
pub fn augment(command: Command) -> Command {
    let with_flags = TABLE.iter().filter(|setting| !setting.flags.is_empty());
    with_flags.fold(command, |command, setting| command.arg(flag(setting)))
}

fn flag(setting: &'static Setting) -> Arg {
    let mut arg = Arg::new(setting.name).help(setting.help).help_heading(setting.section).required(false);
    // What is not supported is known, so that it is refused with what to do instead, and not shown.
    arg = arg.hide(matches!(setting.standing, Standing::Refused(_)));
    for flag in setting.flags {
        let name = flag.trim_start_matches('-');
        arg = match (flag.starts_with("--"), arg.get_long()) {
            (false, _) => arg.short(name.chars().next()),
            (true, None) => arg.long(name),
            (true, Some(_)) => arg.alias(name),
        };
    }
    let default = match setting.kind {
        Kind::Natural | Kind::Choice(_) | Kind::ProxyProtocol => shown_default(setting),
        _ => None,
    };
    if let Some(default) = default {
        arg = arg.help(format!("{} [default: {default}]", setting.help));
    }
    let value_name = match setting.kind {
        Kind::Natural => "N",
        Kind::Folder => "FOLDER",
        Kind::Files => "FILE",
        Kind::Addresses => "ADDRESSES",
        Kind::Statsd => "ADDRESS",
        _ => "VALUE",
    };
    arg = arg.allow_negative_numbers(setting.kind == Kind::Natural);
    match setting.action {
        Action::Value => arg.action(ArgAction::Set).value_name(value_name),
        Action::Append => arg.action(ArgAction::Append).value_name(value_name),
        Action::SetTrue | Action::SetFalse => arg.action(ArgAction::SetTrue),
        Action::Optional(alone) => {
            arg.action(ArgAction::Set).value_name(value_name).num_args(0..=1).default_missing_value(OsStr::from(alone))
        }
    }
}

fn shown_default(setting: &Setting) -> Option<String> {
    use super::table::Initial;
    match setting.default {
        Initial::Int(number) => Some(number.to_string()),
        Initial::Text(text) => Some(text.to_owned()),
        Initial::Variable(variable, otherwise) => Some(format!("${variable}, else {otherwise}")),
        _ => None,
    }
}

/// What `matches` holds of the settings.
#[must_use]
pub fn given(matches: &ArgMatches) -> Given {
    let mut given = Vec::new();
    for setting in TABLE.iter().filter(|setting| !setting.flags.is_empty()) {
        let value = match setting.action {
            Action::SetTrue | Action::SetFalse => matches.get_flag(setting.name).then(|| alone(setting.action)),
            Action::Append => matches.get_many::<String>(setting.name).map(|values| Value::texts(values.cloned())),
            Action::Value | Action::Optional(_) => {
                matches.get_one::<String>(setting.name).map(|text| number_or_text(setting, text))
            }
        };
        given.extend(value.map(|value| (setting, value)));
    }
    given
}

/// A number on a command line is decimal; only a mode may be octal, by a leading zero.
fn number_or_text(setting: &Setting, text: &str) -> Value {
    let number = match (setting.kind, setting.name) {
        (Kind::Natural, "umask" | "control_socket_mode") => {
            let digits = text.strip_prefix('0').filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            match digits {
                Some(digits) if !digits.is_empty() => i64::from_str_radix(digits, 8).ok(),
                _ => kind::int(text),
            }
        }
        (Kind::Natural, _) => text.trim().parse().ok(),
        _ => None,
    };
    number.map_or_else(|| Value::text(text), Value::Int)
}

/// What `GUNICORN_CMD_ARGS` says, split as a shell splits words.
///
/// # Errors
/// It cannot be split, or holds what is no flag of a setting.
pub fn from_variable(text: &str) -> Result<Given, SettingsError> {
    let words = shlex::split(text).ok_or_else(|| SettingsError::Arguments("a quote is not closed".to_owned()))?;
    let command = Command::new("GUNICORN_CMD_ARGS").no_binary_name(true).disable_help_flag(true).infer_long_args(true);
    // gunicorn reads an application here and makes nothing of it.
    let command = augment(command).arg(Arg::new("args").num_args(0..));
    let wrong = |error: clap::Error| {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ");
        SettingsError::Arguments(text.split("\n\n").next().unwrap_or(text).replace('\n', " "))
    };
    command.try_get_matches_from(words).map(|matches| given(&matches)).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &str) -> Vec<String> {
        match from_variable(arguments) {
            Ok(given) => given.iter().map(|(setting, value)| format!("{}={value}", setting.name)).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn flags_are_gunicorns() {
        let cases = [
            ("-w 3 --threads=4", "workers=3 threads=4"),
            ("-b a:1 --bind 'unix:/a b'", "bind=['a:1', 'unix:/a b']"),
            ("--reload --no-sendfile -D", "reload=True sendfile=False daemon=True"),
            ("-m 022", "umask=18"),
            ("-m 0x12", "umask=18"),
            ("--timeout 0x10", "timeout=0x10"),
            ("--log-file e.log", "errorlog=e.log"),
            ("--proxy-protocol", "proxy_protocol=auto"),
            ("--proxy-protocol v1", "proxy_protocol=v1"),
            ("--limit-request-field_size 1", "limit_request_field_size=1"),
            ("--access-logformat '%(h)s'", "access_log_format=%(h)s"),
            ("--worker-con 7", "worker_connections=7"),
            ("--preload", "preload_app=True"),
            ("app:app -n x", "proc_name=x"),
        ];
        for (arguments, expected) in cases {
            let mut said = said(arguments);
            said.sort_by_key(|said| expected.find(said.as_str()));
            assert_eq!(said.join(" "), expected, "{arguments}");
        }
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        assert!(said("--worker 1")[0].contains("--worker"), "{:?}", said("--worker 1"));
        assert_eq!(said("'"), ["GUNICORN_CMD_ARGS: a quote is not closed"]);
    }
}
