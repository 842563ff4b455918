//! How programs are named inside an image: by the image's search path, for nothing is known of its folders. Pure.

use crate::catalog::kind::{Install, Kind};
use crate::catalog::template::Variable;

/// The interpreter of images with Python.
pub(super) const PYTHON: &str = "python3";
/// The text of `{bin}`. [`strip_bin`] takes it off, which leaves a program on the image's path.
const BIN: &str = "{bin}";

/// The values of a kind's templates inside an image.
pub(super) fn value(kind: &Kind) -> impl Fn(Variable) -> Option<String> + use<> {
    let program = match &kind.install {
        Install::Debian { program, .. } => Some(program.clone()),
        _ => None,
    };
    move |value| match value {
        Variable::Python => Some(PYTHON.to_owned()),
        Variable::Bin => Some(BIN.to_owned()),
        Variable::Program => program.clone(),
        _ => None,
    }
}

/// Takes `{bin}/` off the words of a command line.
pub(super) fn strip_bin(command: &mut [String]) {
    for word in command {
        if let Some(program) = word.strip_prefix(BIN).and_then(|rest| rest.strip_prefix('/')) {
            *word = program.to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bin_is_stripped_at_the_start_only() {
        let mut command = ["{bin}/gunicorn", "--pid", "/run/x", "a{bin}/b"].map(str::to_owned);
        strip_bin(&mut command);
        assert_eq!(command, ["gunicorn", "--pid", "/run/x", "a{bin}/b"]);
    }
}
