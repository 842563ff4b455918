//! The pages under docs/ that compare each twin with its original, made from the tables in the code.

use super::markdown::{HEADER, line};

/// docs/compat-nginx.md
pub(crate) fn nginx() -> String {
    let mut page = format!(
        "{HEADER}# lab proxy and nginx\n\nWhat `lab proxy` does with each directive of nginx 1.22, and where it differs on \
         purpose. A directive in neither table is refused by name.\n\n## Differences\n\n| topic | nginx | lab | why |\n|---|---|---|---|\n"
    );
    for row in lab_proxy::differences::differences() {
        line(&mut page, &[row.topic, row.nginx, row.lab, row.why]);
    }
    let (mut known, mut refused) = (String::new(), String::new());
    for row in lab_nginx_conf::compatibility() {
        let contexts = row.contexts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let name = format!("`{}`", row.directive);
        match row.support {
            lab_nginx_conf::Support::Supported => line(&mut known, &[&name, &contexts, ""]),
            lab_nginx_conf::Support::NoEffect { reason } => {
                line(&mut known, &[&name, &contexts, &format!("no effect: {reason}")]);
            }
            lab_nginx_conf::Support::Refused { reason } => line(&mut refused, &[&name, reason]),
        }
    }
    page.push_str("\n## Supported directives\n\n| directive | contexts | note |\n|---|---|---|\n");
    page.push_str(&known);
    page.push_str("\n## Refused directives\n\n| directive | reason, and what to use instead |\n|---|---|\n");
    page.push_str(&refused);
    page
}

/// docs/compat-gunicorn.md
pub(crate) fn gunicorn() -> String {
    use lab_serve::settings::table::Support;

    let mut page = format!(
        "{HEADER}# lab serve and gunicorn\n\nWhat `lab serve` does with each setting of gunicorn 27, and where it differs \
         on purpose.\n\n## Differences\n\n| topic | gunicorn | lab | why |\n|---|---|---|---|\n"
    );
    for row in lab_serve::differences::DIFFERENCES {
        line(&mut page, &[row.topic, row.gunicorn, row.lab, row.why]);
    }
    page.push_str("\n## Settings\n\n| setting | support | note |\n|---|---|---|\n");
    for row in lab_serve::settings::compatibility() {
        let support = match row.support {
            Support::Implemented => "yes",
            Support::WorkerHook | Support::ArbiterHook => "yes",
            Support::HookNotCalled => "not called",
            Support::NoEffect(_) => "accepted, no effect",
            Support::Refused(_) => "refused unless default",
        };
        line(&mut page, &[&format!("`{}`", row.setting.name), support, row.note]);
    }
    page.push_str(
        "\n## lab's own settings\n\ngunicorn has none of these, and ignores them in a configuration file.\n\n\
         | setting | default | note |\n|---|---|---|\n",
    );
    for setting in lab_serve::settings::own_table::OWN_TABLE {
        let default = match setting.default {
            lab_serve::settings::table::DefaultValue::Int(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        line(&mut page, &[&format!("`{}`", setting.name), &default, setting.help]);
    }
    page
}

/// docs/compat-flask.md
pub(crate) fn flask() -> String {
    let mut page = format!(
        "{HEADER}# lab-app and Flask\n\nHow the native framework compares with Flask 3.1 and werkzeug 3.1.\n\n\
         | feature | Flask | lab | note |\n|---|---|---|---|\n"
    );
    for row in lab_app::compatibility::TABLE {
        line(&mut page, &[row.feature, row.flask, row.lab.name(), row.note]);
    }
    page
}
