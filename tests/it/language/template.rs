//! Templates and expressions.

mod bounds;
mod condition;
mod fix;
mod helpers;
mod posix;
mod script;
mod values;
mod words;

use minijinja::value::Serde;
use serde_json::json;

use minijinja::Value;
use planrun::diagnostic::Diagnostics;
use planrun::source::Sources;
use planrun::template::*;

fn template(text: &str) -> Template {
    let mut sources = Sources::default();
    let id = sources.add("text", text);
    let mut found = Diagnostics::default();
    let template = Template::of_source(id, &sources, &mut found);
    assert!(!found.has_errors(), "{text}: {:?}", found.sorted());
    template
}

#[test]
fn a_sign_for_spaces_is_not_a_minus() {
    for text in ["{{- n }}", "{{ n -}}", "{{- n -}}", "{{+ n }}"] {
        let whole = template(text).whole().unwrap();
        assert!(matches!(whole.root.kind, expression::ExprKind::Var(_)), "{text}");
    }
    let whole = template("{{ -n }}").whole().unwrap();
    assert!(matches!(whole.root.kind, expression::ExprKind::Negative(_)));
}

#[test]
fn a_host_alone_is_its_name_wherever_it_is() {
    let parts = vec![("name", "web1".into()), ("address", "192.0.2.1".into())];
    let names = Names::from([
        ("host".to_owned(), parts_value(parts)),
        ("run".to_owned(), parts_value(vec![("id", "r1".into())])),
        ("nodes".to_owned(), Value::from(Serde(json!({"web1": {"up": "yes"}})))),
    ]);
    for (text, expected) in [
        ("{{ host }} {{ host.name }} {{ host.address }}", "web1 web1 192.0.2.1"),
        ("{% if host == 'web1' %}right{% else %}wrong{% endif %}", "right"),
        ("{{ nodes[host].up }} {{ host in nodes }}", "yes true"),
        ("{{ host | upper }}{{ host ~ '.' ~ run }}", "WEB1web1.r1"),
        ("{{ [host, run.id] | join(' ') }}", "web1 r1"),
        ("{% for host in ['a', 'b'] %}{{ host }}{% endfor %}{{ host }}", "abweb1"),
        ("{{ 'host' }} {{ host['address'] }}", "host 192.0.2.1"),
    ] {
        assert_eq!(template(text).render(Mode::Text, &names).as_deref(), Ok(expected), "{text}");
    }
    let error = template("{{ host }} é {{ host.nosuch }}").render(Mode::Text, &names);
    let error = error.unwrap_err();
    assert_eq!(&"{{ host }} é {{ host.nosuch }}"[error.range.unwrap()], "host.nosuch");
}
