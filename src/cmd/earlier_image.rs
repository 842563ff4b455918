//! The image of an earlier version, from which the servers of its stacks run.

use crate::catalog::image_name;
use crate::cli::BaseImage;
use crate::scenario::model::{Image, Scenario, Stack};

/// Lets the servers of an earlier version run from these images, in the stacks of these names or in each stack that runs its
/// server from an image today. Returns what the reader of the comparison has to know. The error says which image cannot be
/// used, and why.
pub(super) fn replace(images: &[BaseImage], head: &Scenario, base: &mut Scenario) -> Result<Vec<String>, String> {
    let mut notes = Vec::new();
    for requested in images {
        let (option, BaseImage { stack, image }) = (format!("--base-image {requested}"), requested);
        let Some(complete) = image_name::complete(image) else {
            let message = image_name::invalid_message(image);
            return Err(format!("`{option}`: {message}\nhint: {}", image_name::ACCEPTED));
        };
        let is_meant = |candidate: &&Stack| stack.as_ref().is_none_or(|name| *name == candidate.name);
        let is_imaged = |candidate: &&Stack| candidate.server_image().is_some();
        let meant: Vec<&str> =
            head.stacks.iter().filter(is_meant).filter(is_imaged).map(|stack| stack.name.as_str()).collect();
        if meant.is_empty() {
            let all: Vec<&str> = head.stacks.iter().filter(is_imaged).map(|stack| stack.name.as_str()).collect();
            let hint = match all.as_slice() {
                [] => "give a `server` an `image` or a `build`, with `backend = \"container\"`".to_owned(),
                all => format!("accepted: {}", all.join(", ")),
            };
            let what = stack.as_ref().map_or_else(|| "no stack".to_owned(), |name| format!("no stack `{name}`"));
            return Err(format!("`{option}` changes nothing: {what} runs its server from an image\nhint: {hint}"));
        }
        for before in base.stacks.iter_mut().filter(|before| meant.contains(&before.name.as_str())) {
            before.server.image = Some(Image::Named(complete.clone()));
        }
        notes.push(format!("the server of {} in the earlier version runs from {complete}", meant.join(", ")));
    }
    Ok(notes)
}
