"""Signing in by password and by link, sessions, and what the answers give away."""
def test_pages(client, as_, session):
    for who, url in [("anonymous", "/sign-in"), ("annotator", "/account"), ("admin", "/users"), ("admin", "/system")]:
        answer = as_(who).get(url)
        assert answer.status_code == 200, url
    assert as_("annotator").submit("/account/tokens", token_name="x").status_code == 201
