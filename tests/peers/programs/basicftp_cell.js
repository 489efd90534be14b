// One cell with basic-ftp: usage: basicftp_cell.js LIBRARY TASK (see tests/peers/cells.py).
const fs = require("fs");
const ftp = require(process.argv[2]);
const task = JSON.parse(process.argv[3]);

async function main() {
    const client = new ftp.Client(10000);
    client.ftp.verbose = true;
    client.ftp.log = (text) => console.log(text);
    client.prepareTransfer =
        task.mode === "EPSV" ? ftp.enterPassiveModeIPv6 : ftp.enterPassiveModeIPv4;
    if (task.tls) {
        const version = "TLSv" + task.tls.version;
        const options = { ca: fs.readFileSync(task.ca), minVersion: version, maxVersion: version };
        await client.access({
            host: task.host, port: task.port, user: task.user, password: task.password,
            secure: task.tls.implicit ? "implicit" : true, secureOptions: options,
        });
    } else {
        await client.connect(task.host, task.port);
        await client.login(task.user, task.password);
    }
    await client.useDefaultSettings();
    await client.downloadTo("before", "get/a-marker");
    switch (task.operation) {
        case "upload":
            await client.uploadFrom("up", task.put);
            break;
        case "append":
            await client.appendFrom("up", task.put);
            break;
        case "download":
            await client.downloadTo("got", "get/m-large");
            break;
        case "resume":
            await client.downloadTo("got", "get/m-large", task.half);
            break;
    }
    const found = await client.list("get");
    fs.writeFileSync("listing", found.map((entry) => entry.name).join("\n"));
    await client.downloadTo("after", "get/z-marker");
    await client.send("QUIT");
    client.close();
}

main().catch((error) => {
    console.log(error);
    process.exit(1);
});
