//! Groups of variables that belong together.

/// `$upstream_cache_…`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheVariable {
    /// `$upstream_cache_etag`: `ETag` of the stored response that is validated.
    Etag,
    /// `$upstream_cache_key`: the key of the request.
    Key,
    /// `$upstream_cache_last_modified`: `Last-Modified` of the stored response that is validated.
    LastModified,
    /// `$upstream_cache_status`: `MISS`, `BYPASS`, `EXPIRED`, `STALE`, `UPDATING`, `REVALIDATED` or `HIT`.
    Status,
}

/// `$ssl_…`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVariable {
    /// `$ssl_alpn_protocol`: the application protocol, if ALPN chose one.
    AlpnProtocol,
    /// `$ssl_cipher`: the cipher suite.
    Cipher,
    /// `$ssl_ciphers`: those that the client offered.
    Ciphers,
    /// `$ssl_client_cert`: the client's certificate in PEM, each line but the first after a tab.
    ClientCertificate,
    /// `$ssl_client_escaped_cert`: the certificate in PEM, percent-encoded.
    ClientCertificateEscaped,
    /// `$ssl_client_raw_cert`: the certificate in PEM.
    ClientCertificateRaw,
    /// `$ssl_client_fingerprint`: the SHA-1 digest of the certificate.
    ClientFingerprint,
    /// `$ssl_client_i_dn`: the name of its issuer (RFC 2253).
    ClientIssuer,
    /// `$ssl_client_i_dn_legacy`: the same in OpenSSL's older form.
    ClientIssuerLegacy,
    /// `$ssl_client_s_dn`: the name of its subject (RFC 2253).
    ClientSubject,
    /// `$ssl_client_s_dn_legacy`: the same in OpenSSL's older form.
    ClientSubjectLegacy,
    /// `$ssl_client_serial`: its serial number.
    ClientSerial,
    /// `$ssl_client_v_end`: the end of its validity.
    ClientValidUntil,
    /// `$ssl_client_v_remain`: the days until then.
    ClientValidDays,
    /// `$ssl_client_v_start`: the start of its validity.
    ClientValidFrom,
    /// `$ssl_client_verify`: `SUCCESS`, `FAILED:` and a reason, or `NONE` without a certificate.
    ClientVerify,
    /// `$ssl_curve`: the group of the key exchange.
    Curve,
    /// `$ssl_curves`: the groups that the client offered.
    Curves,
    /// `$ssl_early_data`: never set, as requests wait for the end of the handshake.
    EarlyData,
    /// `$ssl_protocol`: `TLSv1.2` or `TLSv1.3`.
    Protocol,
    /// `$ssl_server_name`: the server's name as the client sent it (SNI), in lower case.
    ServerName,
    /// `$ssl_session_id`: never set, as the TLS library keeps it to itself.
    SessionId,
    /// `$ssl_session_reused`: `r` for a resumed session, otherwise a dot.
    SessionReused,
}

/// `$connections_…`: the counts of `stub_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionCount {
    /// `$connections_active`: open connections.
    Active,
    /// `$connections_reading`: those whose request is being read.
    Reading,
    /// `$connections_waiting`: idle ones.
    Waiting,
    /// `$connections_writing`: those whose request is being served.
    Writing,
}
