//! Where the listening sockets of a start come from: the configuration, systemd, or the old arbiter of an upgrade.

use crate::listen::{Bind, ListenError, Listener, SocketOptions, inherit};

/// The first descriptor of systemd's socket activation (sd_listen_fds(3)).
const FIRST_ACTIVATED: i32 = 3;

/// The variables that describe systemd's sockets (sd_listen_fds(3)), and those of an old arbiter (gunicorn's names). Other
/// children must not inherit them.
pub(super) const VARIABLES: [&str; 5] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "GUNICORN_PID", "GUNICORN_FD"];

/// Who provides the listening sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerSource {
    /// They are bound to the configured addresses.
    Bind,
    /// systemd passes them.
    Systemd(Vec<Bind>),
    /// The old arbiter of an upgrade passes them, under these numbers.
    OldArbiter(Vec<i32>),
}

impl ListenerSource {
    /// The source that the environment names. `old_arbiter` is whether an old arbiter has started this process.
    #[must_use]
    pub fn from_environment<'a>(old_arbiter: bool, variable: impl Fn(&str) -> Option<&'a str>) -> ListenerSource {
        let activated = activated(variable("LISTEN_PID"), variable("LISTEN_FDS"));
        if !activated.is_empty() {
            return ListenerSource::Systemd(activated);
        }
        let numbers = variable("GUNICORN_FD").filter(|_| old_arbiter).unwrap_or_default();
        let numbers: Vec<i32> = numbers.split(',').filter_map(|number| number.parse().ok()).collect();
        if numbers.is_empty() { ListenerSource::Bind } else { ListenerSource::OldArbiter(numbers) }
    }

    /// Creates or takes over the listening sockets.
    ///
    /// # Errors
    /// An address cannot be bound, or a descriptor is not a listening socket.
    pub fn listen(&self, configured: &[Bind], options: SocketOptions) -> Result<Vec<Listener>, ListenError> {
        match self {
            ListenerSource::Bind => configured.iter().map(|bind| bind.listen(options)).collect(),
            ListenerSource::Systemd(activated) => activated.iter().map(|bind| bind.listen(options)).collect(),
            ListenerSource::OldArbiter(numbers) => numbers
                .iter()
                .map(|&fd| {
                    let listener = inherit(fd, options)?;
                    // The duplicate is closed on exec. The original would stay open in every child process.
                    nix::unistd::close(fd).map_err(|error| ListenError::Descriptor { fd, error: error.into() })?;
                    Ok(listener)
                })
                .collect(),
        }
    }
}

/// The sockets that systemd passed to this process (sd_listen_fds(3)); none if `LISTEN_PID` is another process. They
/// replace those of `bind`.
#[must_use]
pub fn activated(listen_pid: Option<&str>, listen_fds: Option<&str>) -> Vec<Bind> {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i32>().ok());
    if number(listen_pid) != i32::try_from(std::process::id()).ok() {
        return Vec::new();
    }
    (FIRST_ACTIVATED..FIRST_ACTIVATED + number(listen_fds).unwrap_or(0).max(0)).map(Bind::Inherited).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_names_the_source() {
        let own = std::process::id().to_string();
        let from = |old_arbiter, pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
            ListenerSource::from_environment(old_arbiter, find)
        };
        assert_eq!(from(true, &[]), ListenerSource::Bind);
        assert_eq!(from(true, &[("GUNICORN_FD", "3,4")]), ListenerSource::OldArbiter(vec![3, 4]));
        assert_eq!(from(false, &[("GUNICORN_FD", "3,4")]), ListenerSource::Bind);
        let activated = [("LISTEN_PID", own.as_str()), ("LISTEN_FDS", "1"), ("GUNICORN_FD", "9")];
        assert_eq!(from(true, &activated), ListenerSource::Systemd(vec![Bind::Inherited(3)]));
    }

    #[test]
    fn systemd_sockets_are_for_one_process_only() {
        let own = std::process::id().to_string();
        assert_eq!(activated(Some(&own), Some("2")), [Bind::Inherited(3), Bind::Inherited(4)]);
        assert_eq!(activated(Some("1"), Some("2")), []);
        assert_eq!(activated(None, Some("2")), []);
    }
}
