"""``imkit serve``: the model behind the events of the OpenAI Realtime API, on this machine."""

from __future__ import annotations

import argparse
from dataclasses import replace

from imkit.serve import Limits, Server

from .run import load_model


def serve(arguments: argparse.Namespace) -> int:
    """Serves until interrupted. Prints the address and, where it was made here, the token; nothing else is written."""
    limits = replace(Limits(), sessions=arguments.max_sessions)
    model = load_model(arguments.model)
    server = Server(
        model, arguments.host, arguments.port, arguments.token, origins=arguments.origin or (), limits=limits
    )

    def listening() -> None:
        print(f"{model.spec.name} listens at {server.url} (at most {limits.sessions} sessions; Ctrl-C ends it)")
        if server.made_token:
            print(f"token: {server.token}")
        print("Clients send it as 'Authorization: Bearer TOKEN', as the openai client sends its api_key.", flush=True)

    server.run(listening)
    return 0
