import httpx

from ui.web.headers import content_security_policy


def test_every_answer_tells_browsers_what_it_may_load(running_app):
    for path in ("", "config", "gradio_api/info", "gradio_api/file=/etc/hostname", "no such page"):
        headers = httpx.get(f"{running_app.url}{path}").headers
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_only_named_sites_may_show_the_app_in_a_frame():
    assert content_security_policy(()).endswith("; frame-ancestors 'self'")
    policy = content_security_policy(["https://example.org"])
    assert policy.endswith("; frame-ancestors 'self' https://example.org")


def test_the_page_may_send_requests_to_the_app_and_to_named_servers():
    assert "; connect-src 'self'; " in content_security_policy(())
    assert "; connect-src 'self' https://example.org; " in content_security_policy(
        (), ["https://example.org"]
    )


def test_the_page_loads_nothing_that_its_policy_forbids(running_app, open_page):
    page, refused = open_page(running_app.url), []
    page.on("console", lambda message: refused.append(message.text))
    page.reload()
    page.locator("#sizes").get_by_text("px").wait_for()
    assert [text for text in refused if "Content Security Policy" in text] == []
