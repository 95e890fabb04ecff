"""OpenTelemetry spans: the session, its micro-turns, and a span for every call until its result.

Call spans carry the names of the generative-AI conventions (``gen_ai.operation.name`` and the like), which are still in
development; ours begin with ``imkit.``. What was said, typed, asked or answered is left out unless ``content`` is set.
"""

from __future__ import annotations

import json
from typing import Any

from imkit.stream import TICK_S, Timeline, plain

from .files import ExportError
from .lanes import calls

NEEDED = "spans need opentelemetry-sdk, which is not installed: pip install imkit[otel]"


def send(timeline: Timeline, provider: Any, *, began_ns: int = 0, content: bool = False) -> int:
    """Gives the timeline's spans to ``provider``, an OpenTelemetry tracer provider, and returns how many.

    began_ns  the Unix time of the session clock's 0, in nanoseconds: a timeline does not know the hour
    content   also send words, texts and arguments, which are personal data
    """
    try:
        from opentelemetry import trace
    except ImportError as error:
        raise ExportError(NEEDED) from error

    def at(seconds: float) -> int:
        return began_ns + round(seconds * 1e9)

    tracer = provider.get_tracer("imkit")
    facts = {"imkit.moments": len(timeline), "imkit.output_rate_hz": timeline.output_rate, "imkit.tick_s": TICK_S}
    session = tracer.start_span("session", start_time=at(timeline.start_s), attributes=facts)
    inside = trace.set_span_in_context(session)
    turns, count = {}, 1
    for moment in timeline:
        attributes: dict[str, Any] = {
            "imkit.tick": moment.index,
            "imkit.floor": str(moment.act.floor),
            "imkit.epoch": moment.epoch,
            "imkit.compute_ms": moment.compute_ms,
            "imkit.late": moment.late,
            "imkit.gap": moment.gap,
            "imkit.yielded": moment.yielded,
        }
        if content:
            heard = " ".join(word.text for word in moment.act.heard)
            texts = {"heard": heard, "said": moment.act.text, "typed": moment.percept.text}
            attributes |= {f"imkit.content.{name}": text for name, text in texts.items() if text}
        span = tracer.start_span("micro-turn", inside, start_time=at(moment.start_s), attributes=attributes)
        for event in moment.percept.events:
            note = {"imkit.provenance": str(event.provenance), "imkit.call_id": event.call_id}
            more = {"imkit.content.text": event.text} if content and event.text else {}
            span.add_event(event.kind, note | more, at(moment.start_s))
        span.end(at(moment.start_s + TICK_S))
        turns[moment.index] = span
        count += 1
    for call, start_s, end_s in calls(timeline.moments):
        attributes = {
            "gen_ai.operation.name": "execute_tool" if call.kind == "tool" else call.kind,
            "gen_ai.tool.name": call.name,
            "gen_ai.tool.call.id": call.id,
            "imkit.tick": call.tick,
        }
        if content:
            attributes["gen_ai.tool.call.arguments"] = json.dumps(plain(call.arguments), sort_keys=True)
        parent = trace.set_span_in_context(turns[round(start_s / TICK_S)])
        name = f"{attributes['gen_ai.operation.name']} {call.name}".strip()
        tracer.start_span(name, parent, start_time=at(start_s), attributes=attributes).end(at(end_s))
        count += 1
    session.end(at(timeline.end_s))
    return count


def encode(timeline: Timeline, *, began_ns: int = 0, content: bool = False) -> bytes:
    """The spans as JSON lines in the SDK's own form, one span a line, in the order in which they ended."""
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError as error:
        raise ExportError(NEEDED) from error
    kept = InMemorySpanExporter()
    provider = TracerProvider(
        ALWAYS_ON, Resource({"service.name": "imkit"}), shutdown_on_exit=False, span_limits=SpanLimits()
    )
    provider.add_span_processor(SimpleSpanProcessor(kept))
    send(timeline, provider, began_ns=began_ns, content=content)
    lines = [json.dumps(json.loads(span.to_json()), ensure_ascii=False) for span in kept.get_finished_spans()]
    return "".join(line + "\n" for line in lines).encode("utf-8", "replace")
