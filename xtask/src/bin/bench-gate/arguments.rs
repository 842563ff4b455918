//! The command line.

use lab_stats::decision::ALPHA;
use lab_stats::signed_rank::min_sample_size;

pub(crate) const USAGE: &str = "\
Usage:
  cargo xtask bench-gate [REVISION] [OPTIONS]

  REVISION          what to compare with: its merge base with HEAD (default: origin/main, or main)
  --rounds N        rounds of each version (default: 12)
  --only REGEX      only the benchmarks whose names match, round trips over loopback included
  --times           no instruction counts
  --instructions    nothing but instruction counts
  --profile NAME    cargo's profile for both builds (default: bench); `dev` tries the gate itself
";

const DEFAULT_ROUNDS: u32 = 12;
const DEFAULT_PROFILE: &str = "bench";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) revision: Option<String>,
    pub(crate) rounds: u32,
    pub(crate) only: Option<String>,
    pub(crate) measures_times_only: bool,
    pub(crate) counts_instructions_only: bool,
    pub(crate) profile: String,
}

impl Arguments {
    /// `None` if help is wanted.
    pub(crate) fn parse(arguments: &[String]) -> Result<Option<Arguments>, String> {
        let mut parsed = Arguments {
            revision: None,
            rounds: DEFAULT_ROUNDS,
            only: None,
            measures_times_only: false,
            counts_instructions_only: false,
            profile: DEFAULT_PROFILE.to_owned(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--rounds" => parsed.rounds = rounds(value()?)?,
                "--profile" => parsed.profile.clone_from(value()?),
                "--only" => parsed.only = Some(value()?.clone()),
                "--times" => parsed.measures_times_only = true,
                "--instructions" => parsed.counts_instructions_only = true,
                option if option.starts_with('-') => return Err(format!("unknown option `{option}`")),
                revision if parsed.revision.is_none() => parsed.revision = Some(revision.to_owned()),
                another => return Err(format!("one revision is enough: `{another}`")),
            }
        }
        if parsed.measures_times_only && parsed.counts_instructions_only {
            return Err("`--times` and `--instructions` exclude each other".to_owned());
        }
        Ok(Some(parsed))
    }
}

/// Fewer rounds than one test alone needs for a verdict are refused.
fn rounds(text: &str) -> Result<u32, String> {
    let least = min_sample_size(ALPHA) as u32;
    match text.parse() {
        Ok(rounds) if (least..=200).contains(&rounds) => Ok(rounds),
        _ => Err(format!("`--rounds {text}`: accepted are {least} to 200")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn command_line_is_read() {
        let parsed = parse("v1 --rounds 20 --only ^head/ --times").unwrap().unwrap();
        assert_eq!((parsed.revision.as_deref(), parsed.rounds), (Some("v1"), 20));
        assert!(parsed.only.as_deref() == Some("^head/") && parsed.measures_times_only);
        assert_eq!(parse("--help"), Ok(None));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, message) in [
            ("--rounds 5", "`--rounds 5`: accepted are 6 to 200"),
            ("--only", "`--only` needs a value"),
            ("--fast", "unknown option `--fast`"),
            ("a b", "one revision is enough: `b`"),
            ("--times --instructions", "`--times` and `--instructions` exclude each other"),
        ] {
            assert_eq!(parse(line), Err(message.to_owned()));
        }
    }
}
