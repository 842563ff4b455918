//! The names by which containers find one another: `proxy` and `server`, each leading to those of its own stack.
//!
//! Several stacks are in the run's network at once, so neither can be a name of the network. A container is called
//! `server.<stack>.<network>`, which the engine resolves there, and the components of a stack look names up in
//! `<stack>.<network>` first.

use sha2::{Digest as _, Sha256};

use crate::stack::Role;

/// The longest label of a name (RFC 1035, section 2.3.4).
const LABEL: usize = 63;
/// The hexadecimal digits that tell long labels apart.
const DIGITS: usize = 8;

/// The domain of the stack that is started as `visit`, in this network.
pub(super) fn of(visit: &str, network: &str) -> String {
    format!("{}.{}", label(visit), network.to_ascii_lowercase())
}

/// A component's name in its stack's domain.
pub(super) fn name(role: Role, domain: &str) -> String {
    format!("{role}.{domain}")
}

/// A visit as one label of a name: letters in lower case, digits and hyphens.
pub(super) fn label(visit: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = visit.chars().map(fit).collect();
    if label.len() <= LABEL {
        return label;
    }
    // Two that are too long may begin alike.
    let digest = format!("{:x}", Sha256::digest(visit));
    format!("{}-{}", &label[..LABEL - DIGITS - 1], &digest[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_has_a_domain_in_its_runs_network() {
        let domain = of("proxied/closed-1", "lab-20261124T191731Z-14595");
        assert_eq!(domain, "proxied-closed-1.lab-20261124t191731z-14595");
        assert_eq!(name(Role::Proxy, &domain), "proxy.proxied-closed-1.lab-20261124t191731z-14595");
    }

    #[test]
    fn labels_fit_and_stay_apart() {
        let long = "a".repeat(LABEL);
        assert_eq!(label(&long), long);
        let (one, other) = (label(&format!("{long}/1")), label(&format!("{long}/2")));
        assert_eq!(one.len(), LABEL);
        assert_ne!(one, other);
    }
}
