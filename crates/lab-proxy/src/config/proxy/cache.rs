//! `proxy_cache` and the directives beside it: which responses are stored, and when they are used again.

use std::time::Duration;

use super::cache_purge::CachePurge;
use super::retry::{RetryPolicy, read_failures};
use super::setting;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_http::Headers;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest, parse_number};

/// How a location caches the responses of its upstream.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    pub zone: ZoneChoice,
    /// `proxy_cache_key`
    pub key: Template,
    /// Whether the target of the request follows in the key, because there is no `proxy_cache_key`.
    pub is_target_in_key: bool,
    /// `proxy_cache_valid`
    pub valid: Vec<ValidRule>,
    /// `proxy_cache_methods`
    pub methods: Vec<Vec<u8>>,
    /// `proxy_cache_min_uses`: a response is stored from this request for its key on.
    pub min_uses: u32,
    /// `proxy_cache_bypass`: if one of the values is neither empty nor `0`, no stored response is used.
    pub bypass: Vec<Template>,
    /// `proxy_no_cache`: the same for storing.
    pub no_cache: Vec<Template>,
    /// `proxy_cache_use_stale`
    pub use_stale: UseStale,
    /// `proxy_cache_background_update`: whether a stale response is used while a request of the proxy's own updates it.
    pub updates_in_background: bool,
    /// `proxy_cache_lock`; none for `off`.
    pub lock: Option<CacheLock>,
    /// `proxy_cache_revalidate`: whether stale responses are validated instead of fetched again.
    pub revalidates: bool,
    /// `proxy_cache_convert_head`: whether a HEAD is sent as a GET, so that its response can be stored.
    pub converts_head: bool,
    /// `proxy_cache_max_range_offset`: a request for a range that begins behind it is passed on as it is.
    pub max_range_offset: Option<u64>,
    /// `proxy_cache_purge`
    pub purge: Option<CachePurge>,
    /// `proxy_cache_rfc`, which is lab's own: whether RFC 9111 decides, and not nginx.
    pub follows_rfc: bool,
    /// `proxy_cache_targeted_fields`, which is lab's own: fields that replace `Cache-Control` (RFC 9213).
    pub targeted_fields: Vec<String>,
    /// `proxy_cache_status`, which is lab's own: the name of the cache in `Cache-Status` (RFC 9211); none for `off`.
    pub status_name: Option<String>,
}

/// The zone of a `proxy_cache`.
#[derive(Debug, Clone)]
pub enum ZoneChoice {
    /// An index into [`Config::cache_zones`](crate::config::Config::cache_zones).
    Fixed(usize),
    /// A text with variables that names the zone.
    Variable(Template),
}

/// One `proxy_cache_valid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRule {
    /// None for `any`.
    pub statuses: Option<Vec<u16>>,
    /// In seconds. 0 means that the response is not stored.
    pub lifetime: u32,
}

/// `proxy_cache_use_stale`: when a stale response is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UseStale {
    /// After these failures of the upstream.
    pub failures: RetryPolicy,
    /// `updating`: while another request updates it.
    pub is_updating: bool,
}

impl UseStale {
    const NEVER: UseStale = UseStale { failures: RetryPolicy::NEVER, is_updating: false };
}

/// `proxy_cache_lock_age`, `proxy_cache_lock_timeout`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLock {
    /// How long one request keeps others for the same key waiting.
    pub age: Duration,
    /// How long a request waits.
    pub timeout: Duration,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct CacheLevel {
    /// None inside for `off`.
    zone: Option<Option<ZoneChoice>>,
    key: Option<Template>,
    valid: Option<Vec<ValidRule>>,
    methods: Option<Vec<Vec<u8>>>,
    min_uses: Option<u32>,
    bypass: Option<Vec<Template>>,
    no_cache: Option<Vec<Template>>,
    use_stale: Option<UseStale>,
    updates_in_background: Option<bool>,
    has_lock: Option<bool>,
    lock_age: Option<Duration>,
    lock_timeout: Option<Duration>,
    revalidates: Option<bool>,
    converts_head: Option<bool>,
    max_range_offset: Option<u64>,
    purge: Option<Option<CachePurge>>,
    follows_rfc: Option<bool>,
    targeted_fields: Option<Vec<String>>,
    status_name: Option<Option<String>>,
}

/// The keys of `proxy_cache` without a `proxy_cache_key`, in front of the target. nginx's does not have the host that the
/// client named, by which an application may build links.
const NGINX_KEY: &str = "$scheme$proxy_host";
const RFC_KEY: &str = "$scheme$proxy_host$http_host";

impl CacheLevel {
    /// Whether this block itself has a cache.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self.zone, Some(Some(_)))
    }

    pub(crate) fn turn_off(&mut self) {
        self.zone = Some(None);
    }

    /// Reads a directive that belongs to the cache. False if it is another one.
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<bool, ConfError> {
        match setting(directive) {
            "cache" => self.zone = Some(zone(directive, reader)?),
            "cache_key" => self.key = Some(reader.template(directive, directive.first())?),
            "cache_valid" => self.valid.get_or_insert_default().push(valid(directive)?),
            "cache_methods" => self.methods = Some(methods(directive)?),
            "cache_min_uses" => {
                let uses = parse_number::<u32>(directive.first()).filter(|uses| *uses > 0);
                self.min_uses = Some(uses.ok_or_else(|| directive.invalid(directive.first(), "a number from 1"))?);
            }
            "cache_bypass" => self.bypass.get_or_insert_default().extend(templates(directive, reader)?),
            "no_cache" => self.no_cache.get_or_insert_default().extend(templates(directive, reader)?),
            "cache_use_stale" => self.use_stale = Some(use_stale(directive)?),
            "cache_background_update" => self.updates_in_background = Some(directive.flag()?),
            "cache_lock" => self.has_lock = Some(directive.flag()?),
            "cache_lock_age" => self.lock_age = Some(directive.time()?),
            "cache_lock_timeout" => self.lock_timeout = Some(directive.time()?),
            "cache_revalidate" => self.revalidates = Some(directive.flag()?),
            "cache_convert_head" => self.converts_head = Some(directive.flag()?),
            "cache_max_range_offset" => self.max_range_offset = Some(directive.size()?),
            "cache_purge" => self.purge = Some(CachePurge::read(directive)?),
            "cache_rfc" => self.follows_rfc = Some(directive.flag()?),
            "cache_targeted_fields" => self.targeted_fields = Some(targeted_fields(directive)?),
            "cache_status" => self.status_name = Some(status_name(directive)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn inherit(self, outer: &CacheLevel) -> CacheLevel {
        CacheLevel {
            zone: self.zone.or_else(|| outer.zone.clone()),
            key: self.key.or_else(|| outer.key.clone()),
            valid: self.valid.or_else(|| outer.valid.clone()),
            methods: self.methods.or_else(|| outer.methods.clone()),
            min_uses: self.min_uses.or(outer.min_uses),
            bypass: self.bypass.or_else(|| outer.bypass.clone()),
            no_cache: self.no_cache.or_else(|| outer.no_cache.clone()),
            use_stale: self.use_stale.or(outer.use_stale),
            updates_in_background: self.updates_in_background.or(outer.updates_in_background),
            has_lock: self.has_lock.or(outer.has_lock),
            lock_age: self.lock_age.or(outer.lock_age),
            lock_timeout: self.lock_timeout.or(outer.lock_timeout),
            revalidates: self.revalidates.or(outer.revalidates),
            converts_head: self.converts_head.or(outer.converts_head),
            max_range_offset: self.max_range_offset.or(outer.max_range_offset),
            purge: self.purge.or_else(|| outer.purge.clone()),
            follows_rfc: self.follows_rfc.or(outer.follows_rfc),
            targeted_fields: self.targeted_fields.or_else(|| outer.targeted_fields.clone()),
            status_name: self.status_name.or_else(|| outer.status_name.clone()),
        }
    }

    /// None without a cache. `directive` is the `proxy_pass` or `uwsgi_pass` of the location.
    pub(crate) fn resolve(
        &self,
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Option<CacheConfig>, ConfError> {
        let Some(zone) = self.zone.clone().flatten() else { return Ok(None) };
        let is_uwsgi = directive.name == "uwsgi_pass";
        let follows_rfc = self.follows_rfc.unwrap_or(true);
        let key = match &self.key {
            Some(key) => key.clone(),
            None if is_uwsgi => {
                let message = "no \"uwsgi_cache_key\" for \"uwsgi_cache\": all requests would get the same response";
                return Err(directive.error(ConfErrorKind::Conflict(message.to_owned())));
            }
            None => reader.template(directive, if follows_rfc { RFC_KEY } else { NGINX_KEY })?,
        };
        let mut methods = vec![b"GET".to_vec(), b"HEAD".to_vec()];
        methods.extend(self.methods.iter().flatten().cloned());
        let default = Duration::from_secs(5);
        let lock = CacheLock { age: self.lock_age.unwrap_or(default), timeout: self.lock_timeout.unwrap_or(default) };
        Ok(Some(CacheConfig {
            zone,
            key,
            is_target_in_key: self.key.is_none(),
            valid: self.valid.clone().unwrap_or_default(),
            methods,
            min_uses: self.min_uses.unwrap_or(1),
            bypass: self.bypass.clone().unwrap_or_default(),
            no_cache: self.no_cache.clone().unwrap_or_default(),
            use_stale: self.use_stale.unwrap_or(UseStale::NEVER),
            // without it nothing would update an entry that is served while it is revalidated (RFC 5861 §3)
            updates_in_background: self.updates_in_background.unwrap_or(follows_rfc),
            lock: self.has_lock.unwrap_or(false).then_some(lock),
            revalidates: self.revalidates.unwrap_or(follows_rfc),
            converts_head: !is_uwsgi && self.converts_head.unwrap_or(true),
            max_range_offset: self.max_range_offset,
            purge: self.purge.clone().flatten(),
            follows_rfc,
            targeted_fields: self.targeted_fields.clone().unwrap_or_default(),
            status_name: self.status_name.clone().flatten(),
        }))
    }
}

impl CacheConfig {
    /// `proxy_cache_valid` for a status: the first rule that has it.
    #[must_use]
    pub fn valid_for(&self, status: u16) -> Option<u32> {
        let has = |rule: &&ValidRule| rule.statuses.as_ref().is_none_or(|statuses| statuses.contains(&status));
        self.valid.iter().find(has).map(|rule| rule.lifetime)
    }
}

fn zone(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Option<ZoneChoice>, ConfError> {
    let name = directive.first();
    if name == "off" {
        return Ok(None);
    }
    if name.contains('$') {
        return Ok(Some(ZoneChoice::Variable(reader.template(directive, name)?)));
    }
    let is_uwsgi = directive.name.starts_with("uwsgi_");
    let mut zones = reader.cache_zones.iter().enumerate().filter(|(_, zone)| zone.is_uwsgi == is_uwsgi);
    if let Some((index, _)) = zones.clone().find(|(_, zone)| zone.name == name) {
        return Ok(Some(ZoneChoice::Fixed(index)));
    }
    let path = format!("{}_path", directive.name);
    let hint = match closest(name, zones.by_ref().map(|(_, zone)| zone.name.as_str())) {
        Some(hint) => format!("did you mean \"{hint}\"?"),
        None => format!("a \"{path}\" in the http block defines it"),
    };
    let message = format!("unknown zone \"{name}\" in \"{}\" directive\nhint: {hint}", directive.name);
    Err(directive.error(ConfErrorKind::Conflict(message)))
}

fn valid(directive: &Directive) -> Result<ValidRule, ConfError> {
    // OK because the table demands an argument
    let (last, statuses) = directive.args.split_last().expect("an argument");
    let lifetime = directive.parse_time(&last.value)?.as_secs();
    let statuses = match statuses {
        [] => Some(vec![200, 301, 302]),
        [any] if any.value == "any" => None,
        statuses => {
            let status = |text: &str| {
                let status = parse_number(text).filter(|status| matches!(status, 100..=599));
                status.ok_or_else(|| directive.invalid(text, "any, or statuses from 100 to 599, then a time"))
            };
            Some(statuses.iter().map(|arg| status(&arg.value)).collect::<Result<Vec<u16>, _>>()?)
        }
    };
    Ok(ValidRule { statuses, lifetime: u32::try_from(lifetime).unwrap_or(u32::MAX) })
}

fn methods(directive: &Directive) -> Result<Vec<Vec<u8>>, ConfError> {
    let methods = directive.args.iter().map(|arg| match arg.value.as_str() {
        method if ["GET", "HEAD", "POST"].iter().any(|own| own.eq_ignore_ascii_case(method)) => {
            Ok(method.to_ascii_uppercase().into_bytes())
        }
        other => Err(directive.invalid(other, "GET, HEAD, POST")),
    });
    methods.collect()
}

fn targeted_fields(directive: &Directive) -> Result<Vec<String>, ConfError> {
    let names = directive.args.iter().map(|arg| match Headers::is_clean(arg.value.as_bytes(), b"") {
        true => Ok(arg.value.clone()),
        false => Err(directive.invalid(&arg.value, "names of fields, such as CDN-Cache-Control")),
    });
    names.collect()
}

fn status_name(directive: &Directive) -> Result<Option<String>, ConfError> {
    match directive.first() {
        "off" => Ok(None),
        name if name.starts_with(|first: char| first.is_ascii_alphabetic())
            && Headers::is_clean(name.as_bytes(), b"") =>
        {
            Ok(Some(name.to_owned()))
        }
        other => Err(directive.invalid(other, "off, or the name of the cache, which begins with a letter")),
    }
}

fn templates(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Vec<Template>, ConfError> {
    directive.args.iter().map(|arg| reader.template(directive, &arg.value)).collect()
}

fn use_stale(directive: &Directive) -> Result<UseStale, ConfError> {
    const ACCEPTED: &str = "error, timeout, invalid_header, updating, http_500, http_502, http_503, http_504, \
                            http_403, http_404, http_429, off";
    let words = directive.args.iter().map(|arg| arg.value.as_str());
    let is_updating = words.clone().any(|word| word == "updating") && !words.clone().any(|word| word == "off");
    let failures = words.filter(|word| *word != "updating");
    Ok(UseStale { failures: read_failures(directive, failures, ACCEPTED)?, is_updating })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::read_configuration_text;

    /// The cache of a location with these directives.
    fn cache(directives: &str) -> Result<Option<CacheConfig>, String> {
        let text = format!(
            "events {{ }} http {{ proxy_cache_path /a keys_zone=own:1m; uwsgi_cache_path /b keys_zone=theirs:1m; \
             server {{ listen 127.0.0.1:1; location / {{ proxy_pass http://127.0.0.1:2; {directives} }} }} }}"
        );
        let config = read_configuration_text(&text, Path::new("nginx.conf")).map_err(|error| error.to_string())?;
        Ok(config.servers[0].locations().all()[0].pass.as_ref().unwrap().cache.as_deref().cloned())
    }

    #[test]
    fn mode_decides_about_defaults() {
        assert!(cache("").unwrap().is_none() && cache("proxy_cache off;").unwrap().is_none());
        let rfc = cache("proxy_cache own;").unwrap().unwrap();
        assert!(rfc.follows_rfc && rfc.revalidates && rfc.updates_in_background && rfc.converts_head);
        assert!(rfc.lock.is_none() && rfc.min_uses == 1 && rfc.use_stale == UseStale::NEVER);
        let nginx = cache("proxy_cache own; proxy_cache_rfc off;").unwrap().unwrap();
        assert!(!nginx.follows_rfc && !nginx.revalidates && !nginx.updates_in_background && nginx.converts_head);
        assert_ne!(rfc.key, nginx.key);
    }

    #[test]
    fn first_rule_with_the_status_counts() {
        let config =
            cache("proxy_cache own; proxy_cache_valid 1m; proxy_cache_valid 404 500 5s; proxy_cache_valid any 1s;")
                .unwrap()
                .unwrap();
        for (status, expected) in [(200, 60), (301, 60), (302, 60), (404, 5), (500, 5), (201, 1)] {
            assert_eq!(config.valid_for(status), Some(expected), "{status}");
        }
        assert_eq!(cache("proxy_cache own; proxy_cache_valid 1m;").unwrap().unwrap().valid_for(404), None);
    }

    #[test]
    fn words_of_use_stale() {
        let stale = |words: &str| {
            cache(&format!("proxy_cache own; proxy_cache_use_stale {words};")).unwrap().unwrap().use_stale
        };
        let found = stale("timeout updating http_503");
        let failures = found.failures;
        assert!(found.is_updating && failures.on_timeout && !failures.on_error);
        assert!(failures.on_status(503) && !failures.on_status(500));
        assert_eq!(stale("updating off"), UseStale::NEVER);
    }

    #[test]
    fn bad_values_are_refused() {
        for directives in [
            "proxy_cache other;",
            "proxy_cache theirs;",
            "proxy_cache own; proxy_cache_valid x;",
            "proxy_cache own; proxy_cache_valid 20 1m;",
            "proxy_cache own; proxy_cache_methods PUT;",
            "proxy_cache own; proxy_cache_min_uses 0;",
            "proxy_cache own; proxy_cache_use_stale http_400;",
            "proxy_cache own; proxy_cache_key $nothing;",
            "proxy_cache own; proxy_cache_lock perhaps;",
        ] {
            assert!(cache(directives).is_err(), "{directives}");
        }
        assert!(cache("proxy_cache ow;").unwrap_err().contains("did you mean \"own\"?"));
    }
}
