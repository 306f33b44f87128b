//! The formats that text of a form can be asked to have, and the addresses a user may be sent to.

/// A format of JSON Schema that a form may use. Any other is a hint and nothing is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Email,
    Uri,
    Date,
    DateTime,
}

impl Format {
    pub(super) fn from_name(name: &str) -> Option<Format> {
        match name {
            "email" => Some(Format::Email),
            "uri" => Some(Format::Uri),
            "date" => Some(Format::Date),
            "date-time" => Some(Format::DateTime),
            _ => None,
        }
    }

    /// What people are told that is missing.
    pub(super) fn spoken(self) -> &'static str {
        match self {
            Format::Email => "an e-mail address",
            Format::Uri => "an address with its scheme, such as https://example.com",
            Format::Date => "a date, such as 2026-07-28",
            Format::DateTime => "a time with its date and zone, such as 2026-07-28T10:00:00Z",
        }
    }

    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Format::Email => is_email(text),
            Format::Uri => is_uri(text),
            Format::Date => is_date(text.as_bytes()),
            Format::DateTime => is_date_time(text.as_bytes()),
        }
    }
}

/// The longest address a user is sent to, in bytes.
const LONGEST_URL: usize = 8 * 1024;

/// The host of an address that a user may be sent to, with its port if it names one. Strict, because what a browser
/// makes of the rest is what an attacker would use.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn https_host(url: &str) -> Result<&str, &'static str> {
    let Some(rest) = strip_scheme(url, "https://") else { return Err("it does not begin with https://") };
    if url.len() > LONGEST_URL {
        return Err("it is longer than 8192 bytes");
    }
    if !url.bytes().all(may_stand_in_uri) {
        return Err("it has characters that must not stand in an address");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it has a user name before the host");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("its host is not well formed")?;
            let host = host.parse::<std::net::Ipv6Addr>().is_ok();
            (host, port.strip_prefix(':').or((port.is_empty()).then_some("443")))
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
            (is_host_name(host), Some(port))
        }
    };
    if !host {
        return Err("its host is not well formed");
    }
    if port.is_none_or(|port| port.starts_with('+') || port.parse::<u16>().is_err()) {
        return Err("its port is not a number up to 65535");
    }
    Ok(authority)
}

fn strip_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = url.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn may_stand_in_uri(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && rest.bytes().all(may_stand_in_uri)
}

/// What a person would take for one; whether mail arrives there, only mail can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty()
        && !domain.is_empty()
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !text.chars().any(|it| it.is_whitespace() || it.is_control())
}

/// `2026-07-28`.
fn is_date(text: &[u8]) -> bool {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return false };
    let (Some(year), Some(month), Some(day)) = (number(&[y1, y2, y3, y4]), number(&[m1, m2]), number(&[d1, d2])) else {
        return false;
    };
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// As RFC 3339 has it; a leap second is let pass.
fn is_date_time(text: &[u8]) -> bool {
    let Some((date, time)) = text.split_at_checked(10) else { return false };
    let &[b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2, ref rest @ ..] = time else { return false };
    let (Some(0..=23), Some(0..=59), Some(0..=60)) = (number(&[h1, h2]), number(&[m1, m2]), number(&[s1, s2])) else {
        return false;
    };
    let zone = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
        zone => zone,
    };
    let zone = match zone {
        [b'Z' | b'z'] => true,
        &[b'+' | b'-', h1, h2, b':', m1, m2] => {
            matches!((number(&[h1, h2]), number(&[m1, m2])), (Some(0..=23), Some(0..=59)))
        }
        _ => false,
    };
    zone && is_date(date)
}

/// `digits` as a number; `None` if one of them is none.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_take_what_they_are_for_and_nothing_else() {
        let all = [Format::Email, Format::Uri, Format::Date, Format::DateTime];
        let cases: &[(&str, Option<Format>)] = &[
            ("a@b.example", Some(Format::Email)),
            ("ä.ö@müller.example", Some(Format::Email)),
            ("\"a@b\"@c", Some(Format::Email)),
            ("a@", None),
            ("@b", None),
            ("a@.b", None),
            ("a b@c", None),
            ("https://example.com/?q=1#x", Some(Format::Uri)),
            ("urn:isbn:0451450523", Some(Format::Uri)),
            ("1http://x", None),
            ("http:", None),
            ("http://a b", None),
            ("example.com", None),
            ("2024-02-29", Some(Format::Date)),
            ("2000-02-29", Some(Format::Date)),
            ("1900-02-29", None),
            ("2023-02-29", None),
            ("2023-13-01", None),
            ("2023-04-31", None),
            ("2023-4-01", None),
            ("2023-04-00", None),
            ("2026-07-28T10:00:00Z", Some(Format::DateTime)),
            ("2026-07-28t23:59:60.123456789-23:59", Some(Format::DateTime)),
            ("2026-07-28T10:00:00", None),
            ("2026-07-28T24:00:00Z", None),
            ("2026-07-28T10:00:00.Z", None),
            ("2026-07-28T10:00:00+1:00", None),
            ("2026-02-30T10:00:00Z", None),
            ("", None),
            ("ö", None),
        ];
        for (text, wanted) in cases {
            let fits: Vec<Format> = all.into_iter().filter(|format| format.fits(text)).collect();
            assert_eq!(fits, wanted.iter().copied().collect::<Vec<_>>(), "{text:?}");
        }
        assert_eq!(Format::from_name("hostname"), None);
    }

    #[test]
    fn only_plain_https_addresses_are_let_through() {
        for (url, host) in [
            ("https://example.com", "example.com"),
            ("HTTPS://Example.com:8443/a?b#c", "Example.com:8443"),
            ("https://xn--mller-kva.example./", "xn--mller-kva.example."),
            ("https://[::1]:443/", "[::1]:443"),
            ("https://[2001:db8::1]", "[2001:db8::1]"),
            ("https://example.com?x=@", "example.com"),
        ] {
            assert_eq!(https_host(url), Ok(host));
        }
        for (url, why) in [
            ("http://example.com", "https://"),
            ("http://localhost/", "https://"),
            ("javascript:alert(1)", "https://"),
            ("https:/example.com", "https://"),
            ("", "https://"),
            ("höttps://x", "https://"),
            ("https://", "host"),
            ("https:///path", "host"),
            ("https://a..b/", "host"),
            ("https://[::1", "host"),
            ("https://[not]/", "host"),
            ("https://good.example@evil.example/", "user name"),
            ("https://example.com\\@evil.example", "characters"),
            ("https://exämple.com", "characters"),
            ("https://example.com/\u{202e}", "characters"),
            ("https://example.com/a b", "characters"),
            ("https://example.com/\n", "characters"),
            ("https://example.com:99999/", "port"),
            ("https://example.com:+443/", "port"),
            ("https://example.com:/", "port"),
            ("https://[::1]x/", "port"),
        ] {
            let refused = https_host(url).unwrap_err();
            assert!(refused.contains(why), "{url}: {refused}");
        }
        let long = format!("https://example.com/{}", "a".repeat(LONGEST_URL));
        assert!(https_host(&long).unwrap_err().contains("8192"));
    }
}
