//! The names of containers: `proxy` and `server` resolve to the components of the own stack.
//!
//! Several stacks share the run's network, so the network cannot have these names itself. A container is called
//! `server.<stack>.<network>`, which the engine resolves, and `<stack>.<network>` is the search domain of the stack's
//! containers.

use sha2::{Digest as _, Sha256};

use crate::stack::Role;

/// The longest label of a name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
/// The hexadecimal digits that tell long labels apart.
const DIGEST_DIGITS: usize = 8;

/// The domain of the stack that is started as `visit`.
pub(super) fn stack_domain(visit: &str, network: &str) -> String {
    format!("{}.{}", label(visit), network.to_ascii_lowercase())
}

/// A component's name in its stack's domain.
pub(super) fn component_name(role: Role, domain: &str) -> String {
    format!("{role}.{domain}")
}

/// A visit as one label of a name: lower-case letters, digits and hyphens.
pub(super) fn label(visit: &str) -> String {
    let replaced = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = visit.chars().map(replaced).collect();
    if label.len() <= MAX_LABEL {
        return label;
    }
    // Long labels may have a common prefix.
    let digest = format!("{:x}", Sha256::digest(visit));
    format!("{}-{}", &label[..MAX_LABEL - DIGEST_DIGITS - 1], &digest[..DIGEST_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_has_a_domain_in_the_network() {
        let domain = stack_domain("proxied/closed-1", "lab-20261124T191731Z-14595");
        assert_eq!(domain, "proxied-closed-1.lab-20261124t191731z-14595");
        assert_eq!(component_name(Role::Proxy, &domain), "proxy.proxied-closed-1.lab-20261124t191731z-14595");
    }

    #[test]
    fn long_labels_stay_distinct() {
        let long = "a".repeat(MAX_LABEL);
        assert_eq!(label(&long), long);
        let (one, other) = (label(&format!("{long}/1")), label(&format!("{long}/2")));
        assert_eq!(one.len(), MAX_LABEL);
        assert_ne!(one, other);
    }
}
