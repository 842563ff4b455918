//! The user and groups a worker runs as (gunicorn's `user`, `group`, `initgroups`).

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, initgroups, setgid, setgroups, setuid};

use serde::{Deserialize, Serialize};

/// The user and groups of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub user: u32,
    pub group: u32,
    /// Whether the worker gets all groups of its user.
    pub initgroups: bool,
}

/// Why a worker cannot change its identity.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {error}")]
pub struct IdentityError {
    what: String,
    error: nix::Error,
}

/// Changes the identity of this process, irrevocably. A change drops the supplementary groups of the user who started the
/// server, since workers must not keep them; `initgroups` replaces them with those of the worker's user.
///
/// # Errors
/// This process lacks the privilege.
pub fn set_identity(identity: Identity) -> Result<(), IdentityError> {
    let (user, group) = (Uid::from_raw(identity.user), Gid::from_raw(identity.group));
    let failed = |what: String| move |error| IdentityError { what, error };
    let is_other = user != geteuid() || group != getegid();
    let name = User::from_uid(user).ok().flatten().and_then(|user| CString::new(user.name).ok());
    match name {
        Some(name) if identity.initgroups => {
            initgroups(&name, group).map_err(failed(format!("take the groups of user {user}")))?;
        }
        _ if is_other && geteuid().is_root() => {
            setgroups(&[group]).map_err(failed("leave the groups of root".to_owned()))?;
        }
        _ => {}
    }
    if group != getegid() {
        setgid(group).map_err(failed(format!("run as group {group}")))?;
    }
    if user != geteuid() {
        setuid(user).map_err(failed(format!("run as user {user}")))?;
    }
    Ok(())
}

/// The id of a user.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// The id of a group.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_identity_is_always_allowed() {
        let identity = Identity { user: geteuid().as_raw(), group: getegid().as_raw(), initgroups: false };
        set_identity(identity).unwrap();
    }

    #[test]
    fn names_have_ids() {
        assert_eq!((user_id("root"), group_id("root")), (Some(0), Some(0)));
        assert_eq!((user_id("nemo"), group_id("nemo")), (None, None));
    }
}
