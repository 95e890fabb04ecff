"""What went wrong with a chat server, in words for the person; never with a key in them."""

from __future__ import annotations

import json
from typing import Any

from .endpoint import EndpointError

DEFAULT_WAIT_S = 2.0
MAX_SERVER_WORDS = 200


def in_words(error: BaseException, *, called: str, model: str, where: str, key: str) -> EndpointError:
    """An error of the client library as an EndpointError. Needs ``openai`` loaded."""
    import openai

    if isinstance(error, EndpointError):
        return error
    if isinstance(error, openai.APITimeoutError):
        return EndpointError(f"{called} did not answer in time.")
    if isinstance(error, openai.APIStatusError):
        return _status(error, called, model, where, key)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        if "Connect" in type(cause).__name__:
            return EndpointError(f"I cannot reach {where}: {_reason(cause, key)}. Is the model server running?")
        return EndpointError(f"{called} broke off the connection in the middle of its answer.")
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | openai.APIResponseValidationError):
        return EndpointError(f"{called} sent something that is not JSON in the middle of its answer.")
    if isinstance(error, openai.APIError):
        return EndpointError(f"{called} reported an error: {_clean(str(error.message), key)}")
    return EndpointError(f"{called} could not be read: {type(error).__name__}: {_clean(str(error), key)}")


def _status(error: Any, called: str, model: str, where: str, key: str) -> EndpointError:
    status = int(error.status_code)
    if status == 401:
        told = "it refused the key that I have" if key else "it wants a key, and I have none"
        return EndpointError(f"I may not use {where}: {told} (401).")
    if status == 403:
        return EndpointError(f"I may not use {model} at {where} (403).")
    if status == 404:
        return EndpointError(f"There is no model {model} at {where}, or that is no chat server (404).")
    if status == 429:
        words = f"{called} is over its limit of requests (429)."
        return EndpointError(words, _retry_after_s(error.response.headers.get("retry-after")))
    if status in (502, 503, 504):
        return EndpointError(f"The server of {called} is down or still starting ({status}).")
    if status >= 500:
        return EndpointError(f"The server of {called} failed ({status}).")
    if 300 <= status < 400:
        return EndpointError(f"{where} points somewhere else ({status}); give the address that it points to.")
    return EndpointError(f"{called} did not take the request ({status}): {_clean(_said(error), key)}")


def _said(error: Any) -> str:
    body = error.body
    if isinstance(body, dict):
        found = body.get("message") or body.get("detail") or body.get("error")
        return str(found or "it gave no reason")
    return str(body or "it gave no reason")


def _retry_after_s(value: str | None) -> float:
    try:
        return max(0.0, float(value)) if value is not None else DEFAULT_WAIT_S
    except ValueError:  # a date: rare, and not worth a second way to be wrong about clocks
        return DEFAULT_WAIT_S


def _reason(cause: BaseException | None, key: str) -> str:
    if "Timeout" in type(cause).__name__:
        return "nothing answers there"
    text = str(cause)
    if "refused" in text:
        return "the connection is refused"
    if "name" in text.lower() or "address" in text.lower():
        return "there is no such address"
    return _clean(text or type(cause).__name__, key)


def _clean(text: str, key: str) -> str:
    """Words of a server or library, short, on one line, without the key or the beginning of one."""
    if key:
        text = text.replace(key, "(key)")
        for length in range(len(key) - 1, 5, -1):
            text = text.replace(key[:length], "(key)")
    text = " ".join(text.split())
    return text if len(text) <= MAX_SERVER_WORDS else text[:MAX_SERVER_WORDS] + "..."
