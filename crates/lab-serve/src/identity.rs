//! Who a worker runs as (gunicorn's `user`, `group`, `initgroups`).

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, initgroups, setgid, setgroups, setuid};

use crate::handover::Identity;

/// Why a worker cannot become somebody.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {error}")]
pub struct IdentityError {
    what: String,
    error: nix::Error,
}

/// Becomes somebody, for good. Somebody else loses all further groups, unless `initgroups` says which to have instead:
/// those of the user who started the server are not for its workers.
///
/// # Errors
/// This process may not.
pub fn become_somebody(identity: Identity) -> Result<(), IdentityError> {
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

/// The number of the user of this name.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// The number of the group of this name.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_one_is_one_may_become() {
        let identity = Identity { user: geteuid().as_raw(), group: getegid().as_raw(), initgroups: false };
        become_somebody(identity).unwrap();
    }

    #[test]
    fn names_have_numbers() {
        assert_eq!((user_id("root"), group_id("root")), (Some(0), Some(0)));
        assert_eq!((user_id("nemo"), group_id("nemo")), (None, None));
    }
}
