//! `cargo xtask generate`: writes the generated files, or checks them with `--check`.

#[path = "../generated.rs"]
mod generated;

use std::path::Path;
use std::process::ExitCode;

use generated::GENERATED;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => {
            eprintln!("xtask: generate takes nothing but --check");
            return ExitCode::FAILURE;
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository");
    let mut result = ExitCode::SUCCESS;
    for (path, content) in GENERATED {
        let (file, content) = (root.join(path), content());
        if std::fs::read_to_string(&file).is_ok_and(|committed| committed == content) {
            println!("{path} is current");
        } else if is_check {
            eprintln!("{path} is out of date: run `cargo xtask generate`");
            result = ExitCode::FAILURE;
        } else if let Err(error) = std::fs::write(&file, content) {
            eprintln!("{path}: {error}");
            result = ExitCode::FAILURE;
        } else {
            println!("{path} was written");
        }
    }
    result
}
