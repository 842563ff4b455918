//! An image by its name: what the engine has, else what it pulls.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::CreateImageInfo;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;

use super::engine::{Engine, EngineError};

/// Time between two words about a pull.
const INTERVAL: Duration = Duration::from_secs(2);

/// Pulls `name` if the engine does not have it. Passes each line of progress to `print`.
///
/// # Errors
/// It does not have it and cannot pull it.
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
    let mut said = Instant::now();
    while let Some(news) = pulling.try_next().await.map_err(refused())? {
        if let Some(message) = news.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
            return Err(refused()(Error::DockerStreamError { error: message }));
        }
        layers.note(&news);
        if said.elapsed() >= INTERVAL {
            print(&format!("pulling the image {name}: {layers}"));
            said = Instant::now();
        }
    }
    Ok(())
}

/// How far the layers of an image are.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Debug, Default)]
struct Layer {
    is_here: bool,
    bytes: i64,
}

impl Layers {
    /// Takes in what the engine says of one layer.
    fn note(&mut self, news: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&news.id, news.status.as_deref()) else { return };
        // Of the image as a whole, the id is its tag.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.0.entry(id.clone()).or_default();
        layer.is_here |= matches!(status, "Pull complete" | "Already exists");
        if status == "Downloading" {
            let bytes = news.progress_detail.as_ref().and_then(|detail| detail.current);
            layer.bytes = layer.bytes.max(bytes.unwrap_or_default());
        }
    }
}

impl std::fmt::Display for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let here = self.0.values().filter(|layer| layer.is_here).count();
        let bytes: i64 = self.0.values().map(|layer| layer.bytes).sum();
        write!(f, "{here} of {} layers, {} MB so far", self.0.len(), bytes / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use testcontainers::bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn layers_are_counted_and_their_bytes_added() {
        let news = |id: &str, status: &str, current: Option<i64>| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail { current, total: None }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        for said in [
            news("1.28", "Pulling from library/nginx", None),
            news("a", "Already exists", None),
            news("b", "Downloading", Some(2_000_000)),
            news("c", "Pulling fs layer", None),
            news("b", "Downloading", Some(5_500_000)),
            news("b", "Extracting", Some(1)),
            news("b", "Pull complete", None),
        ] {
            layers.note(&said);
        }
        assert_eq!(layers.to_string(), "2 of 3 layers, 5 MB so far");
    }
}
