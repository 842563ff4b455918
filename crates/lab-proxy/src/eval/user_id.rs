//! The identifiers of `userid`: read from the request's cookie, or new.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Scope, lookup};
use crate::config::location::userid::{CookieExpiry, UserIdConfig, UserIdMode};

/// Sixteen bytes: the server, the time, a number of the process, a number of the request.
type UserId = [u8; 16];

/// The length of an identifier in base64. What follows is padding, or a mark.
const TEXT_LENGTH: usize = 22;

impl UserIdConfig {
    /// Appends `$uid_got`: the identifier that the request has. False if there is none.
    pub(super) fn write_got(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> bool {
        self.write(self.got(scope), out)
    }

    /// Appends `$uid_set`: the identifier that the response sets. False if there is none.
    pub(super) fn write_set(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> bool {
        self.write(self.set(scope), out)
    }

    fn write(&self, id: Option<UserId>, out: &mut Vec<u8>) -> bool {
        let Some(id) = id else { return false };
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'=');
        for number in id.chunks(4) {
            let number = number.iter().rev().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
            out.extend_from_slice(format!("{number:08X}").as_bytes());
        }
        true
    }

    /// The `Set-Cookie` of the response; none if the request's cookie is good.
    pub(crate) fn cookie(&self, scope: &Scope<'_>) -> Option<String> {
        let mut text = STANDARD.encode(self.set(scope)?);
        if let Some(mark) = self.mark {
            text.replace_range(TEXT_LENGTH..=TEXT_LENGTH, &char::from(mark).to_string());
        }
        let expires = match self.expires {
            CookieExpiry::Session => String::new(),
            CookieExpiry::Never => "; expires=Thu, 31-Dec-37 23:55:55 GMT".to_owned(),
            CookieExpiry::After(seconds) => {
                let at = i64::try_from(now().saturating_add(seconds)).unwrap_or(i64::MAX);
                let at = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::MAX);
                format!("; expires={}", at.strftime("%a, %d-%b-%y %H:%M:%S GMT"))
            }
        };
        Some(format!("{}={text}{expires}{}", self.name, self.attributes))
    }

    fn value<'s>(&self, scope: &Scope<'s>) -> Option<&'s [u8]> {
        lookup::cookie(&scope.request?.head.headers, &self.name)
    }

    /// The identifier of the request's cookie.
    fn got(&self, scope: &Scope<'_>) -> Option<UserId> {
        // as in nginx: the padding does not count, many cookies have a wrong one
        let text = self.value(scope)?.get(..TEXT_LENGTH)?;
        STANDARD.decode([text, b"=="].concat()).ok()?.try_into().ok()
    }

    /// The identifier that the response sets, the same for the whole request.
    fn set(&self, scope: &Scope<'_>) -> Option<UserId> {
        if self.mode == UserIdMode::Log {
            return None;
        }
        if let Some(got) = self.got(scope) {
            let end = self.value(scope)?.get(TEXT_LENGTH..TEXT_LENGTH + 2);
            if self.mark.is_some_and(|mark| end != Some(&[mark, b'='])) {
                return Some(got);
            }
            let reset = self.reset.and_then(|slot| scope.route.values.get(slot));
            if reset.is_none_or(|value| matches!(&*value, b"" | b"0")) {
                return None;
            }
        }
        Some(*scope.route.values.user_id(|| self.create(scope)))
    }

    fn create(&self, scope: &Scope<'_>) -> UserId {
        static PROCESS: LazyLock<u32> = LazyLock::new(|| {
            // the keys of each state come from the system's random numbers
            (RandomState::new().build_hasher().finish() & 0xffff_ffff) as u32
        });
        static NEXT_V1: AtomicU32 = AtomicU32::new(1);
        static NEXT_V2: AtomicU32 = AtomicU32::new(0x0303_0302);
        let time = u32::try_from(now()).unwrap_or(u32::MAX);
        let numbers = match self.mode {
            UserIdMode::V1 => {
                let next = NEXT_V1.fetch_add(0x100, Ordering::Relaxed);
                [self.service.unwrap_or(0), time, *PROCESS, next].map(u32::to_le_bytes)
            }
            _ => {
                let next = NEXT_V2.fetch_add(0x100, Ordering::Relaxed);
                let address = match scope.connection.local.internet().map(|local| local.ip()) {
                    Some(IpAddr::V4(address)) => u32::from(address),
                    Some(IpAddr::V6(address)) => (u128::from(address) & 0xffff_ffff) as u32,
                    None => 0,
                };
                [self.service.unwrap_or(address), time, *PROCESS, next].map(u32::to_be_bytes)
            }
        };
        let mut id = [0; 16];
        id.copy_from_slice(&numbers.concat());
        id
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
