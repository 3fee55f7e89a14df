"""Clients that ask one engine without a pause, and check each answer."""

import asyncio
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp
import numpy as np
import tritonclient.http.aio as triton
from python.pipelines import LONG
from tritonclient.utils import InferenceServerException

from serve.requests import given as input_of

X = np.arange(32, dtype=np.float32).reshape(4, 8)


@dataclass
class Load:
    """So many clients of the engine "policy", which doubles its input and adds one. It runs within ``with``."""

    port: int
    clients: int
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    """Answers that are not those of their requests."""
    refused: list[str] = field(default_factory=list)
    """HTTP statuses of refusals."""
    lost: list[str] = field(default_factory=list)
    """Connections that were reset or could not be made."""

    def __enter__(self) -> "Load":
        """Starts the clients."""
        self._stopped = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Waits for the last answers."""
        self._stopped = True
        self._thread.join()

    def wait_for(self, answers: int) -> None:
        """Waits until so many more requests were answered."""
        wanted, until = self.right + answers, time.monotonic() + LONG
        while self.right < wanted:
            assert time.monotonic() < until, (self.right, self.refused[-3:], self.lost[-3:])
            time.sleep(0.05)

    async def _run(self) -> None:
        async with triton.InferenceServerClient(f"127.0.0.1:{self.port}", conn_limit=self.clients) as client:
            await asyncio.gather(*(self._ask(client, number) for number in range(self.clients)))

    async def _ask(self, client: triton.InferenceServerClient, number: int) -> None:
        count = 0
        while not self._stopped:
            count += 1
            name, x = f"{number}-{count}", X + 1000 * number + count
            try:
                result = await client.infer("policy", [input_of("input_0", x, "FP32")], request_id=name)
            except InferenceServerException as error:
                self.refused.append(str(error.status()))
                await asyncio.sleep(0.05)
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
                self.lost.append(type(error).__name__)
                await asyncio.sleep(0.05)
            else:
                answer, identity = result.as_numpy("output_0"), result.get_response()["id"]
                if identity == name and np.array_equal(answer, x * 2 + 1):
                    self.right += 1
                else:
                    self.wrong.append(name)
