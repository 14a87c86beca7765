"""The shapes of keys and tokens, as the services that give them out document them."""

from moderation.identifiers.shapes import Kind

_START = r"(?:^|[^A-Za-z0-9_])"
_END = r"(?:$|[^A-Za-z0-9_])"
_MIN_DISTINCT = 4

# Category and pattern. They begin in a way that nothing else does.
_SHAPES = (
    ("aws_key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    ("github_token", r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"),
    ("gitlab_token", r"gl(?:pat|dt|rt|ptt|cbt|agent|ft|soat|imt)-[A-Za-z0-9_-]{20,60}"),
    ("slack_token", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{20,200}"),
    ("slack_token", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{30,90}"),
    ("stripe_key", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/=]{24,80}"),
    ("google_key", r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,400}"),
    ("azure_key", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    ("hugging_face_token", r"(?:hf|api_org)_[A-Za-z0-9]{30,60}"),
    ("npm_token", r"npm_[A-Za-z0-9]{36}"),
    ("pypi_token", r"pypi-[A-Za-z0-9_-]{50,250}"),
    ("sendgrid_key", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    ("twilio_key", r"SK[0-9a-f]{32}"),
    ("telegram_token", r"\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("discord_token", r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,80}"),
    ("discord_token", r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
    ("api_key", r"key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}"),  # Mailgun, Mailchimp
    ("api_key", r"do[opr]_v1_[a-f0-9]{64}"),  # DigitalOcean
    ("api_key", r"dapi[a-f0-9]{32}(?:-\d)?"),  # Databricks
    ("api_key", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}"),
    ("api_key", r"gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,100}|pplx-[A-Za-z0-9]{40,60}"),
    ("api_key", r"r8_[A-Za-z0-9]{37,40}|lin_api_[A-Za-z0-9]{32,48}"),  # Replicate, Linear
    ("api_key", r"(?:ntn|secret)_[A-Za-z0-9]{40,60}"),  # Notion
    ("api_key", r"dckr_pat_[A-Za-z0-9_-]{20,60}|glsa_[A-Za-z0-9_]{32,60}"),  # Docker, Grafana
    ("api_key", r"hv[sb]\.[A-Za-z0-9_-]{24,250}|dp\.(?:pt|st|ct)\.[A-Za-z0-9]{40,60}"),
    ("api_key", r"AGE-SECRET-KEY-1[A-Z0-9]{58}|tskey-[a-z]{2,10}-[A-Za-z0-9-]{16,60}"),
    ("api_key", r"ATATT3[A-Za-z0-9_=-]{50,250}|sntry[su]_[A-Za-z0-9+/=_-]{40,250}"),
    ("api_key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),  # Postman
)


def measure_token(found: str) -> int:
    """Leave out what examples are full of, such as ghp_xxxxxxxx: real ones are random."""
    return len(found) if len(set(found[-16:])) >= _MIN_DISTINCT else 0


def _measure_mixed(found: str) -> int:
    """Leave out words joined by hyphens: what is random has digits, too."""
    return measure_token(found) if any(map(str.isdigit, found[3:])) else 0


TOKENS = (
    *(
        Kind(f"secrets/{name}", f"{_START}({shape}){_END}", measure_token, is_random=True)
        for name, shape in _SHAPES
    ),
    Kind(
        "secrets/azure_key",
        rf"{_START}((?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{{40,86}}={{1,2}})",
        measure_token,
    ),
    # OpenAI, Anthropic, OpenRouter and others.
    Kind(
        "secrets/api_key",
        rf"{_START}(sk-(?:[A-Za-z0-9]{{2,12}}-){{0,3}}[A-Za-z0-9_-]{{20,250}})",
        _measure_mixed,
        is_random=True,
    ),
)
