//! The settings of HTTP/2.

use lab_worker::http2_settings::{CleartextHttp2, Http2Settings};

use super::error::SettingsError;
use super::reader::ConfigReader;

/// RFC 9113 §6.5.2
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const FRAME_SIZES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;

impl ConfigReader<'_> {
    /// The settings of HTTP/2; None if `http_protocols` does not name it.
    pub(super) fn http2(&self) -> Result<Option<Http2Settings>, SettingsError> {
        let protocols = self.texts("http_protocols");
        if !protocols.iter().any(|protocol| protocol == "h2") {
            return Ok(None);
        }
        let cleartext = match self.text("http2_cleartext").as_deref() {
            Some("prior-knowledge") => CleartextHttp2::PriorKnowledge,
            Some("upgrade" | "both") => {
                let hint = "RFC 9113 has removed the upgrade from HTTP/1.1; use prior-knowledge, or TLS";
                return Err(self.resolved.unsupported("http2_cleartext", hint));
            }
            _ => CleartextHttp2::Off,
        };
        let max_concurrent_streams: u32 = self.number("http2_max_concurrent_streams");
        if max_concurrent_streams == 0 {
            return Err(self.resolved.invalid("http2_max_concurrent_streams", "must be 1 or more"));
        }
        let initial_window_size: u32 = self.number("http2_initial_window_size");
        if initial_window_size > LARGEST_WINDOW {
            return Err(self.resolved.invalid("http2_initial_window_size", "must be at most 2147483647"));
        }
        let max_frame_size: u32 = self.number("http2_max_frame_size");
        if !FRAME_SIZES.contains(&max_frame_size) {
            return Err(self.resolved.invalid("http2_max_frame_size", "must be a number from 16384 to 16777215"));
        }
        Ok(Some(Http2Settings {
            prefers_http1: protocols.first().is_some_and(|protocol| protocol == "h1"),
            cleartext,
            max_concurrent_streams,
            initial_window_size,
            max_frame_size,
            max_header_list_size: self.number("http2_max_header_list_size"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments::from_variable;
    use super::super::error::Origin;
    use super::super::resolve::{ResolvedSettings, test_context};
    use super::*;

    fn read(arguments: &str) -> Result<Option<Http2Settings>, String> {
        let context = test_context();
        let mut resolved = ResolvedSettings::new(&context);
        resolved.apply(&Origin::CommandLine, from_variable(arguments).unwrap(), &context);
        let errors: Vec<String> = resolved.errors().iter().map(ToString::to_string).collect();
        if !errors.is_empty() {
            return Err(errors.join("\n"));
        }
        ConfigReader { resolved: &resolved }.http2().map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_gunicorns() {
        assert_eq!(read("--http2-max-frame-size 1"), Ok(None));
        let settings = read("--http-protocols h2").unwrap().unwrap();
        let expected = Http2Settings {
            prefers_http1: false,
            cleartext: CleartextHttp2::Off,
            max_concurrent_streams: 100,
            initial_window_size: 65_535,
            max_frame_size: 16_384,
            max_header_list_size: 65_536,
        };
        assert_eq!(settings, expected);
        assert!(read("--http-protocols h1,h2").unwrap().unwrap().prefers_http1);
    }

    #[test]
    fn invalid_values_are_named() {
        for (arguments, part) in [
            ("--http-protocols h2,h3", "--http-protocols = h2,h3: must be h1, h2, or both"),
            ("--http-protocols h2,h2", "\"h2\" is repeated"),
            ("--http-protocols h2 --http2-cleartext both", "--http2-cleartext = both is not supported\nhint: RFC 9113"),
            ("--http-protocols h2 --http2-max-concurrent-streams 0", "must be 1 or more"),
            ("--http-protocols h2 --http2-initial-window-size 2147483648", "must be at most 2147483647"),
            ("--http-protocols h2 --http2-max-frame-size 16383", "must be a number from 16384 to 16777215"),
        ] {
            let error = read(arguments).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
