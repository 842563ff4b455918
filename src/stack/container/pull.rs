//! Pulls an image that the engine does not have.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::CreateImageInfo;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;

use super::engine::{Engine, EngineError};

/// Time between two lines of progress.
const INTERVAL: Duration = Duration::from_secs(2);

/// Pulls `name` if the engine does not have it. Passes each line of progress to `print`.
///
/// # Errors
/// The engine cannot pull it.
pub(super) async fn pull(engine: &Engine, name: &str, print: &mut dyn FnMut(&str)) -> Result<(), EngineError> {
    match engine.docker.inspect_image(name).await {
        Ok(_) => return Ok(()),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => return Err(EngineError::refused(format!("describe the image `{name}`"))(error)),
    }
    print(&format!("pulling the image {name}"));
    let options = CreateImageOptionsBuilder::new().from_image(name).build();
    let mut pulling = Box::pin(engine.docker.create_image(Some(options), None, None));
    let refused = || EngineError::refused(format!("pull the image `{name}`, which it does not have"));
    let mut layers = Layers::default();
    let mut last_line = Instant::now();
    while let Some(info) = pulling.try_next().await.map_err(refused())? {
        if let Some(message) = info.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
            return Err(refused()(Error::DockerStreamError { error: message }));
        }
        layers.update(&info);
        if last_line.elapsed() >= INTERVAL {
            print(&format!("pulling the image {name}: {layers}"));
            last_line = Instant::now();
        }
    }
    Ok(())
}

/// The progress of an image's layers.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Debug, Default)]
struct Layer {
    is_complete: bool,
    bytes: i64,
}

impl Layers {
    fn update(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, info.status.as_deref()) else { return };
        // This line is about the whole image; its id is the tag.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.0.entry(id.clone()).or_default();
        layer.is_complete |= matches!(status, "Pull complete" | "Already exists");
        if status == "Downloading" {
            let bytes = info.progress_detail.as_ref().and_then(|detail| detail.current);
            layer.bytes = layer.bytes.max(bytes.unwrap_or_default());
        }
    }
}

impl std::fmt::Display for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let complete = self.0.values().filter(|layer| layer.is_complete).count();
        let bytes: i64 = self.0.values().map(|layer| layer.bytes).sum();
        write!(f, "{complete} of {} layers, {} MB so far", self.0.len(), bytes / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use testcontainers::bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn layers_are_counted_and_their_bytes_added() {
        let info = |id: &str, status: &str, current: Option<i64>| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current, total: None }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        for info in [
            info("1.28", "Pulling from library/nginx", None),
            info("a", "Already exists", None),
            info("b", "Downloading", Some(2_000_000)),
            info("c", "Pulling fs layer", None),
            info("b", "Downloading", Some(5_500_000)),
            info("b", "Extracting", Some(1)),
            info("b", "Pull complete", None),
        ] {
            layers.update(&info);
        }
        assert_eq!(layers.to_string(), "2 of 3 layers, 5 MB so far");
    }
}
