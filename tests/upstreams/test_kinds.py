"""Tests of service/upstreams/kinds.py."""

from service.upstreams.kinds import RULES, Kind


def test_every_kind_has_a_rule() -> None:
    assert set(RULES) == set(Kind)


def test_what_may_be_charged_is_said_and_never_tried_again() -> None:
    """Ours: a person pays once, and hears when money may be gone."""
    for rule in RULES.values():
        said = "may have been charged" in rule.fact or "may have charged" in rule.fact
        assert rule.may_be_charged is said
        assert not (rule.may_be_charged and rule.retries)
    assert {kind for kind, rule in RULES.items() if rule.may_be_charged} == {
        Kind.LOST, Kind.DOWNLOAD, Kind.NO_IMAGE, Kind.ACCEPTED,
    }  # fmt: skip


def test_what_trying_again_cannot_mend_is_not_tried_again() -> None:
    for kind in (Kind.POLICY, Kind.AUTH, Kind.QUOTA, Kind.BAD_REQUEST, Kind.GONE):
        assert RULES[kind].retries == 0
