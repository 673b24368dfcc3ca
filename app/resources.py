"""Where the files are that come with the code: templates, static files, migrations."""

from pathlib import Path

_APP = Path(__file__).parent
ROOT = _APP if (_APP / "templates").is_dir() else _APP.parent  # in a wheel inside this package, in a checkout beside it
TEMPLATES, STATIC, MIGRATIONS = ROOT / "templates", ROOT / "static", ROOT / "migrations"
