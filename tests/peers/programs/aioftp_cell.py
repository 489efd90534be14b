"""One cell with aioftp: usage: aioftp_cell.py TASK (see tests/peers/cells.py)."""

import asyncio
import json
import logging
import ssl
import sys
from pathlib import Path

import aioftp

task = json.loads(sys.argv[1])
mode, operation, put, half = task["mode"], task["operation"], task["put"], task["half"]
logging.basicConfig(level=logging.DEBUG, format="> %(message)s", stream=sys.stdout)


async def get(client: aioftp.Client, name: str, to: str, offset: int = 0) -> None:
    async with client.download_stream(f"get/{name}", offset=offset) as stream:
        with open(to, "ab" if offset else "wb") as file:
            async for block in stream.iter_by_block():
                file.write(block)


async def send(opened, offset: int = 0) -> None:
    async with opened as stream:
        with open("up", "rb") as file:
            file.seek(offset)
            while block := file.read(65536):
                await stream.write(block)


async def break_off(client: aioftp.Client) -> None:
    stream = await client.download_stream("get/m-large")
    await stream.read(1000)
    await client.abort(wait=False)
    stream.close()
    await client.command(None, "22x", "4xx")
    await client.command("NOOP", "200", "22x")


def context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=task["ca"])
    version = getattr(ssl.TLSVersion, "TLSv" + task["tls"]["version"].replace(".", "_"))
    context.minimum_version = context.maximum_version = version
    return context


async def main() -> None:
    tls = task["tls"]
    client = aioftp.Client(
        ssl=context() if tls and tls["implicit"] else None,
        passive_commands=(mode,),
        socket_timeout=10,
        connection_timeout=10,
        trust_server_pasv_ipv4_address=True,
    )
    await client.connect(task["host"], task["port"])
    if tls and not tls["implicit"]:
        await client.upgrade_to_tls(context())
    await client.login(task["user"], task["password"])
    await get(client, "a-marker", "before")
    match operation:
        case "upload":
            await send(client.upload_stream(put))
        case "append":
            await send(client.append_stream(put))
        case "resume-upload":
            await send(client.upload_stream(put, offset=half), half)
        case "download":
            await get(client, "m-large", "got")
        case "resume":
            await get(client, "m-large", "got", half)
        case "abort":
            await break_off(client)
    found = await client.list("get")
    Path("listing").write_text("\n".join(str(path) for path, _ in found))
    await get(client, "z-marker", "after")
    await client.quit()


asyncio.run(main())
