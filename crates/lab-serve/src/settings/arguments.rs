//! The settings' flags, for clap: on the command line and in `GUNICORN_CMD_ARGS`.

use clap::builder::OsStr;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::error::SettingsError;
use super::kind::{self, Kind};
use super::lookup::all;
use super::resolve::bare_flag_value;
use super::table::{Action, Setting, Support};
use super::value::Value;

/// Settings with the values that one source gives them.
pub type GivenSettings = Vec<(&'static Setting, Value)>;

/// Adds a flag for each setting that has one.
#[must_use]
pub fn augment(command: Command) -> Command {
    let with_flags = all().filter(|setting| !setting.flags.is_empty());
    with_flags.fold(command, |command, setting| command.arg(flag(setting)))
}

fn flag(setting: &'static Setting) -> Arg {
    let mut arg = Arg::new(setting.name).help(setting.help).help_heading(setting.section).required(false);
    // An unsupported flag is accepted here, so that it can be refused later with a hint; `--help` does not list it.
    arg = arg.hide(matches!(setting.support, Support::Refused(_)));
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
        Action::Optional(bare_value) => arg
            .action(ArgAction::Set)
            .value_name(value_name)
            .num_args(0..=1)
            .default_missing_value(OsStr::from(bare_value)),
    }
}

fn shown_default(setting: &Setting) -> Option<String> {
    use super::table::DefaultValue;
    match setting.default {
        DefaultValue::Int(number) => Some(number.to_string()),
        DefaultValue::Text(text) => Some(text.to_owned()),
        DefaultValue::Variable(variable, otherwise) => Some(format!("${variable}, else {otherwise}")),
        _ => None,
    }
}

/// The settings on a command line.
#[must_use]
pub fn from_matches(matches: &ArgMatches) -> GivenSettings {
    let mut given = Vec::new();
    for setting in all().filter(|setting| !setting.flags.is_empty()) {
        let value = match setting.action {
            Action::SetTrue | Action::SetFalse => {
                matches.get_flag(setting.name).then(|| bare_flag_value(setting.action))
            }
            Action::Append => matches.get_many::<String>(setting.name).map(|values| Value::texts(values.cloned())),
            Action::Value | Action::Optional(_) => {
                matches.get_one::<String>(setting.name).map(|text| number_or_text(setting, text))
            }
        };
        given.extend(value.map(|value| (setting, value)));
    }
    given
}

/// Numbers on a command line are decimal. Only modes may be octal, with a leading zero.
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

/// The settings in `GUNICORN_CMD_ARGS`, which is split as by a shell.
///
/// # Errors
/// A quote is not closed, or a flag is unknown.
pub fn from_variable(text: &str) -> Result<GivenSettings, SettingsError> {
    let words = shlex::split(text).ok_or_else(|| SettingsError::Arguments("a quote is not closed".to_owned()))?;
    let command = Command::new("GUNICORN_CMD_ARGS").no_binary_name(true).disable_help_flag(true).infer_long_args(true);
    // gunicorn accepts an application here and ignores it.
    let command = augment(command).arg(Arg::new("args").num_args(0..));
    let invalid = |error: clap::Error| {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ");
        SettingsError::Arguments(text.split("\n\n").next().unwrap_or(text).replace('\n', " "))
    };
    command.try_get_matches_from(words).map(|matches| from_matches(&matches)).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Vec<String> {
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
            let mut parsed = parsed(arguments);
            parsed.sort_by_key(|setting| expected.find(setting.as_str()));
            assert_eq!(parsed.join(" "), expected, "{arguments}");
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert!(parsed("--worker 1")[0].contains("--worker"), "{:?}", parsed("--worker 1"));
        assert_eq!(parsed("'"), ["GUNICORN_CMD_ARGS: a quote is not closed"]);
    }
}
