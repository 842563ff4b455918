//! Reads `proxy_cache_path` and `uwsgi_cache_path`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab_cache::store::{Levels, Pace, ZoneSettings};

use crate::config::cache_zone::CacheZone;
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number, parse_size, parse_time};

/// Reads all zones of the `http` block before anything that may refer to one.
pub(crate) fn read_zones(http: &[Directive], reader: &mut ConfigReader<'_>) {
    for directive in http {
        if matches!(directive.name.as_str(), "proxy_cache_path" | "uwsgi_cache_path") {
            let read = read_zone(directive, reader);
            if let Some(zone) = reader.keep(read) {
                reader.cache_zones.push(zone);
            }
        }
    }
}

const ACCEPTED: &str = "levels=, keys_zone=, inactive=, max_size=, min_free=, use_temp_path=, loader_files=, \
                        loader_sleep=, loader_threshold=, manager_files=, manager_sleep=, manager_threshold=";
const KEYS: &str = "keys_zone=NAME:SIZE, SIZE at least 8k";

fn read_zone(directive: &Directive, reader: &ConfigReader<'_>) -> Result<CacheZone, ConfError> {
    let folder = reader.prefix.join(directive.first());
    let pace = Pace { files: 100, threshold: Duration::from_millis(200), sleep: Duration::from_millis(50) };
    let mut settings = ZoneSettings {
        folder: without_trailing_slash(&folder),
        levels: Levels::default(),
        keys: 0,
        inactive: Duration::from_secs(600),
        max_size: None,
        min_free: 0,
        loader: pace,
        manager: pace,
    };
    let mut name = None;
    for word in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        let time = |value: &str| parse_time(value).ok_or_else(|| directive.invalid(word, "a time such as 10m"));
        let size = |value: &str| parse_size(value).ok_or_else(|| directive.invalid(word, "a size such as 1g"));
        let number = |value: &str| {
            let number = parse_number::<usize>(value).filter(|number| *number > 0);
            number.ok_or_else(|| directive.invalid(word, "a number from 1"))
        };
        let Some((key, value)) = word.split_once('=') else { return Err(directive.invalid(word, ACCEPTED)) };
        match key {
            "levels" => {
                let levels: Option<Vec<usize>> = value.split(':').map(parse_number).collect();
                let levels = levels.and_then(|levels| Levels::new(&levels));
                settings.levels = levels
                    .ok_or_else(|| directive.invalid(word, "up to three levels of 1 or 2, such as levels=1:2"))?;
            }
            "keys_zone" => {
                let parsed = value.split_once(':').and_then(|(name, size)| Some((name, parse_size(size)?)));
                let parsed = parsed.filter(|(name, size)| !name.is_empty() && *size >= 8 << 10);
                let (own, keys) = parsed.ok_or_else(|| directive.invalid(word, KEYS))?;
                name = Some(own.to_owned());
                settings.keys = keys;
            }
            "inactive" => settings.inactive = time(value)?,
            "max_size" => settings.max_size = Some(size(value)?),
            "min_free" => settings.min_free = size(value)?,
            // files are always written beside their places
            "use_temp_path" if matches!(value, "on" | "off") => {}
            "loader_files" => settings.loader.files = number(value)?,
            "loader_sleep" => settings.loader.sleep = time(value)?,
            "loader_threshold" => settings.loader.threshold = time(value)?,
            "manager_files" => settings.manager.files = number(value)?,
            "manager_sleep" => settings.manager.sleep = time(value)?,
            "manager_threshold" => settings.manager.threshold = time(value)?,
            _ => return Err(directive.invalid(word, ACCEPTED)),
        }
    }
    let Some(name) = name else {
        let message = format!("\"{}\" must have \"keys_zone\" parameter", directive.name);
        return Err(directive.error(ConfErrorKind::Conflict(message)));
    };
    let zones = &reader.cache_zones;
    if zones.iter().any(|zone| zone.name == name) || reader.zones.has(&name) {
        return Err(directive.error(ConfErrorKind::DuplicateName { what: "zone", name }));
    }
    // two zones would take each other's files for their own
    if let Some(other) = zones.iter().find(|zone| zone.settings.folder == settings.folder) {
        let message = format!("the folder of \"{name}\" is that of the zone \"{}\"", other.name);
        return Err(directive.error(ConfErrorKind::Conflict(message)));
    }
    Ok(CacheZone { name, is_uwsgi: directive.name.starts_with("uwsgi_"), settings })
}

fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_configuration_text;

    fn zone(parameters: &str) -> Result<CacheZone, String> {
        let text = format!("events {{ }} http {{ proxy_cache_path {parameters}; server {{ listen 127.0.0.1:1; }} }}");
        let config = read_configuration_text(&text, Path::new("/etc/nginx.conf"));
        config.map(|config| config.cache_zones[0].clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn zone_has_its_parameters() {
        let found = zone(
            "/data/a/ levels=1:2 keys_zone=own:10m inactive=1h max_size=1g min_free=2m use_temp_path=off \
             loader_files=5 loader_sleep=6ms loader_threshold=7ms manager_files=8 manager_sleep=9ms manager_threshold=10ms",
        )
        .unwrap();
        let pace = |files, sleep, threshold| Pace {
            files,
            sleep: Duration::from_millis(sleep),
            threshold: Duration::from_millis(threshold),
        };
        let expected = ZoneSettings {
            folder: "/data/a".into(),
            levels: Levels::new(&[1, 2]).unwrap(),
            keys: 10 << 20,
            inactive: Duration::from_secs(3600),
            max_size: Some(1 << 30),
            min_free: 2 << 20,
            loader: pace(5, 6, 7),
            manager: pace(8, 9, 10),
        };
        assert_eq!((found.name.as_str(), found.is_uwsgi, found.settings), ("own", false, expected));
        assert_eq!(zone("a keys_zone=own:8k").unwrap().settings.folder, Path::new("/etc/a"));
    }

    #[test]
    fn bad_parameters_are_refused() {
        for parameters in [
            "/a",
            "/a keys_zone=own",
            "/a keys_zone=own:4k",
            "/a keys_zone=:8k",
            "/a keys_zone=own:8k levels=3",
            "/a keys_zone=own:8k levels=1:1:1:1",
            "/a keys_zone=own:8k inactive=soon",
            "/a keys_zone=own:8k max_size=x",
            "/a keys_zone=own:8k use_temp_path=perhaps",
            "/a keys_zone=own:8k loader_files=0",
            "/a keys_zone=own:8k purger=on",
            "/a keys_zone=own:8k; proxy_cache_path /b keys_zone=own:8k",
            "/a keys_zone=own:8k; proxy_cache_path /a/ keys_zone=other:8k",
            "/a keys_zone=own:8k; uwsgi_cache_path /b keys_zone=own:8k",
        ] {
            assert!(zone(parameters).is_err(), "{parameters}");
        }
    }
}
