"""Modules that could not be imported: what to install, and what was probably meant."""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from .failing import Place
from .near import near

INSTALLED_AS: Final = {
    "altair": "altair", "bokeh": "bokeh", "bs4": "beautifulsoup4", "catboost": "catboost", "cv2": "opencv-python",
    "dask": "dask", "dateutil": "python-dateutil", "distributed": "distributed", "duckdb": "duckdb",
    "geopandas": "geopandas", "ipyparallel": "ipyparallel", "ipywebrtc": "ipywebrtc", "ipywidgets": "ipywidgets",
    "jax": "jax", "keras": "keras", "lightgbm": "lightgbm", "lxml": "lxml", "matplotlib": "matplotlib",
    "networkx": "networkx", "nltk": "nltk", "numpy": "numpy", "openpyxl": "openpyxl", "PIL": "pillow",
    "pandas": "pandas", "plotly": "plotly", "polars": "polars", "pyarrow": "pyarrow", "requests": "requests",
    "scipy": "scipy", "seaborn": "seaborn", "skimage": "scikit-image", "sklearn": "scikit-learn", "spacy": "spacy",
    "sqlalchemy": "sqlalchemy", "statsmodels": "statsmodels", "sympy": "sympy", "tabulate": "tabulate",
    "tensorflow": "tensorflow", "torch": "torch", "torchaudio": "torchaudio", "torchvision": "torchvision",
    "tqdm": "tqdm", "transformers": "transformers", "xarray": "xarray", "xgboost": "xgboost", "yaml": "pyyaml",
}  # fmt: skip
"""Well-known modules and the packages that hold them. Others are never advised: a name may be somebody's trap."""

SHORT_FOR: Final = {
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "pl": "import polars as pl",
    "plt": "import matplotlib.pyplot as plt",
    "sns": "import seaborn as sns",
    "px": "import plotly.express as px",
    "go": "import plotly.graph_objects as go",
    "nn": "from torch import nn",
}
_IMPORTED: Final = frozenset({"math", "json", "os", "re", "sys", "time", "random", "datetime", "pathlib", "itertools"})


def spoken_import(name: str) -> str:
    """The import that a name usually comes from, in words; "" when it is not a usual one."""
    if name in SHORT_FOR:
        return f"it usually comes from: {SHORT_FOR[name]}"
    return f"it is a module: import {name}" if name in INSTALLED_AS or name in _IMPORTED else ""


def import_reason(error: ImportError, _: Place) -> str:
    """Why an import failed; "" when only its own message tells."""
    name = error.name or ""
    if not isinstance(error, ModuleNotFoundError):
        return _no_such_name(error, name)
    top, inside = (*name.split(".", 1), "")[:2]
    if not top:
        return ""
    if inside and top in sys.modules:
        return f"{top} is installed, but has no module {inside}"
    if top in INSTALLED_AS:
        return f"{top} is not installed; to install it: %pip install {INSTALLED_AS[top]}"
    found = near(top, INSTALLED_AS) or near(top, sorted(one for one in sys.stdlib_module_names if one[0] != "_"))
    if found is not None:
        return f"there is no module {top}, there is {found}"
    return f"there is no module {top} here, and I do not know which package holds it"


def _no_such_name(error: ImportError, module: str) -> str:
    wanted: Any = getattr(error, "name_from", None)
    if not wanted:
        found = re.match(r"cannot import name '(\w+)'", str(error))
        wanted = found[1] if found else ""
    loaded = sys.modules.get(module)
    if not wanted or loaded is None:
        return ""
    meant = near(wanted, [one for one in vars(loaded) if not one.startswith("_")])
    return f"{module} has no {wanted!r}" + (f", it has {meant!r}" if meant else "")
