//! `mainspring validate`: every problem of every file, each with its place and how to mend it.

use std::path::Path;

use mainspring_core::row::DefinitionKind;

use crate::args::Validate;
use crate::command::definition::Source;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::line;

/// Checks files; exit 8 if anything is wrong with any of them.
pub(crate) fn run(args: &Validate) -> Outcome {
    let mut wrong = 0;
    for path in &args.files {
        wrong += validate(path)?;
    }
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Invalid, "1 problem")),
        many => Err(Failure::new(Exit::Invalid, format!("{many} problems"))),
    }
}

/// Checks one file; gives how many problems it has.
fn validate(path: &Path) -> Outcome<usize> {
    let source = Source::read(path)?;
    let documents = match source.documents() {
        Ok(documents) => documents,
        Err(problem) => {
            eprint!("{}", source.explain(&problem, 1));
            return Ok(problem.errors.len().max(1));
        }
    };
    let (mut wrong, mut jobs, mut tasks, mut profiles) = (0, 0, 0, 0);
    for document in &documents {
        match &document.job {
            Err(problem) => {
                eprint!("{}", source.explain(problem, document.line));
                wrong += problem.errors.len().max(1);
            }
            Ok(job) => {
                jobs += usize::from(document.kind == DefinitionKind::Job);
                profiles += usize::from(document.kind == DefinitionKind::Profile);
                let alone = usize::from(document.kind == DefinitionKind::Task);
                tasks += job.as_ref().map_or(alone, |job| job.graph.tasks().len());
            }
        }
    }
    if documents.is_empty() {
        eprintln!("error[missing_field]: `{}` holds no work", source.name);
        wrong += 1;
    }
    if wrong == 0 {
        let others = if profiles > 0 { format!(", {}", count(profiles, "profile")) } else { String::new() };
        line(&format!("{}: valid, {} and {}{others}", source.name, count(jobs, "job"), count(tasks, "task")))?;
    }
    Ok(wrong)
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
