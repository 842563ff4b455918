//! `cargo xtask bench-gate`: the benchmarks of the working tree beside those of its merge base, in one session.
//!
//! Times are compared in alternating rounds, by the statistics that lab itself uses. They depend on the machine, and on where the
//! linker happens to put a loop. Instruction counts depend on neither, so that their margin is narrow, and a benchmark that executes
//! as many instructions as before does not fail by its time.

mod arguments;
mod callgrind;
mod criterion;
mod verdict;
mod versions;

use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, USAGE};
use lab_stats::blocks::schedule;
use verdict::{Comparison, INSTRUCTIONS_MARGIN, Instructions, TIME_MARGIN, Tally};
use versions::{Build, Revision, Worktree};

/// The seed of the rounds' order.
const SEED: u64 = 2011;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments = match Arguments::parse(&arguments) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("xtask: {error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match run(&arguments) {
        Ok(tally) => {
            println!("\n{tally}");
            if tally.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Tally, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository");
    let has_valgrind = callgrind::is_installed();
    if arguments.counts_instructions_only && !has_valgrind {
        return Err("`--instructions` needs valgrind, which is not installed".to_owned());
    }
    let revision = Revision::merge_base(root, arguments.revision.as_deref())?;
    let work = root.join("target/bench-gate");
    let worktree = Worktree::new(root, &revision, &work.join("base"))?;
    println!("the working tree, compared with {revision}");
    let base = Build::new(&worktree.folder, Some(&work.join("target")), &arguments.profile)?;
    let head = Build::new(root, None, &arguments.profile)?;
    let instructions = match (arguments.measures_times_only, has_valgrind) {
        (true, _) => None,
        (false, true) => count_instructions([&base, &head], &work)?,
        (false, false) => {
            println!("instructions: not counted, because valgrind is not installed");
            None
        }
    };
    let mut tally = Tally::default();
    if !arguments.counts_instructions_only {
        let times = compare_times(arguments, [&base, &head], &work.join("criterion"))?;
        println!("\ntime per iteration, {} rounds of each, margin {:.0} %", arguments.rounds, TIME_MARGIN * 100.0);
        times.report(instructions.as_ref().unwrap_or(&Instructions::default()), &mut tally);
    }
    if let Some(instructions) = instructions {
        println!("\ninstructions per call, margin {:.0} %", INSTRUCTIONS_MARGIN * 100.0);
        instructions.report(&mut tally);
    }
    Ok(tally)
}

/// Runs the benchmarks of both versions in alternating rounds.
fn compare_times(arguments: &Arguments, versions: [&Build; 2], results: &Path) -> Result<Comparison, String> {
    let mut measured = [Vec::new(), Vec::new()];
    let visits = schedule(versions.len(), 1, arguments.rounds, SEED);
    for visit in visits {
        eprintln!("round {} of {}: {}", visit.block + 1, arguments.rounds, ["base", "working tree"][visit.stack]);
        let times = criterion::measure(versions[visit.stack], results, arguments.only.as_deref())?;
        measured[visit.stack].push(times);
    }
    let [base, head] = measured;
    Ok(Comparison::of_times(&base, &head))
}

/// Counts the instructions of the hot paths of both versions. `None` if the base has no such benchmark.
fn count_instructions([base, head]: [&Build; 2], work: &Path) -> Result<Option<Instructions>, String> {
    let Some(base) = callgrind::counts(base, work)? else {
        println!("instructions: not compared, because the base has no benches/instructions.rs");
        return Ok(None);
    };
    let head = callgrind::counts(head, work)?.ok_or("benches/instructions.rs is gone")?;
    Ok(Some(Instructions { base, head }))
}
