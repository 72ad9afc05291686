// Checks compose.yaml without a container engine: loads it as `docker compose` does, and runs the
// same programs natively with the very settings and commands that it gives them.
//
// Hosts, ports and directories of the containers become those of this machine; nothing else is
// changed. Kafka's settings go through the program with which its image reads them.
//
//	run BIN KAFKA_LIBS POSTGRES_BIN    (server/tests/compose/run builds it and names them)
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// How long anything may take on a busy machine.
const patience = 2 * time.Minute

// Votes of the demo that must be counted before all is stopped.
const votesMin = 2000

// Where PostgreSQL refuses to run as root, it runs as this user.
const postgresUser = "postgres"

func main() {
	if len(os.Args) != 4 {
		fail("usage: run BIN KAFKA_LIBS POSTGRES_BIN")
	}
	if err := check(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fail(err.Error())
	}
	fmt.Println("compose.yaml: loaded, and its services run natively with its settings")
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, "compose.yaml:", text)
	os.Exit(1)
}

func check(bin, libs, postgresBin string) error {
	project, err := load("demo")
	if err != nil {
		return err
	}
	if err := looksRight(project); err != nil {
		return err
	}
	plain, err := load()
	if err != nil {
		return err
	}
	if names := plain.ServiceNames(); len(names) != 4 {
		return fmt.Errorf("without a profile there are %v, and not four services", names)
	}
	directory, err := os.MkdirTemp("", "tallyflow-compose-")
	if err != nil {
		return err
	}
	native := &native{project: project, bin: bin, libs: libs, postgresBin: postgresBin, directory: directory}
	defer os.RemoveAll(directory)
	defer native.stop()
	return native.run()
}

// load reads the file as an operator has it who has set nothing.
func load(profiles ...string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{"compose.yaml"},
		cli.WithName("tallyflow"), cli.WithEnv(nil), cli.WithProfiles(profiles))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

// looksRight holds what must be so of every service.
func looksRight(project *types.Project) error {
	var wrong []error
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				wrong = append(wrong, fmt.Errorf("%s publishes port %s beyond loopback", name, port.Published))
			}
		}
		for _, volume := range service.Volumes {
			if _, known := project.Volumes[volume.Source]; !known {
				wrong = append(wrong, fmt.Errorf("%s keeps %s in no named volume", name, volume.Target))
			}
		}
		wrong = append(wrong, secretsRight(name, service)...)
		isOnce := service.Restart == "no"
		if !isOnce && service.Restart != "unless-stopped" {
			wrong = append(wrong, fmt.Errorf("%s does not come back after a crash", name))
		}
		// The service's own check is in the Dockerfile.
		if !isOnce && name != "tallyflow" && service.HealthCheck == nil {
			wrong = append(wrong, fmt.Errorf("%s has no health check", name))
		}
	}
	return errors.Join(wrong...)
}

var secretName = regexp.MustCompile(`PASSWORD|TOKEN|SECRET|KEY`)

// secretsRight holds that nobody is given a secret that this file knows, and that whoever reads one
// waits until it is made.
func secretsRight(name string, service types.ServiceConfig) []error {
	var wrong []error
	for variable, value := range service.Environment {
		isFile := strings.HasSuffix(variable, "_FILE")
		if secretName.MatchString(variable) && !isFile && value != nil && *value != "" {
			wrong = append(wrong, fmt.Errorf("%s has a default for %s", name, variable))
		}
	}
	for _, volume := range service.Volumes {
		if volume.Source != "secrets" || name == "secrets" {
			continue
		}
		if !volume.ReadOnly {
			wrong = append(wrong, fmt.Errorf("%s may change the secrets", name))
		}
		// What waits for one that has waited has waited.
		_, after := service.DependsOn["register"]
		if service.DependsOn["secrets"].Condition != types.ServiceConditionCompletedSuccessfully && !after {
			wrong = append(wrong, fmt.Errorf("%s does not wait for the secrets", name))
		}
	}
	return wrong
}

// native runs the services on this machine.
type native struct {
	project                     *types.Project
	bin, libs, postgresBin      string
	directory                   string
	replacer                    *strings.Replacer
	postgresPort, tallyflowPort string
	started                     []*exec.Cmd
}

func (n *native) run() error {
	ports := make([]string, 5)
	for at := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
		_, ports[at], _ = net.SplitHostPort(listener.Addr().String())
		listener.Close()
	}
	n.postgresPort, n.tallyflowPort = ports[3], ports[4]
	n.replacer = strings.NewReplacer(
		"INSIDE://:19092", "INSIDE://127.0.0.1:"+ports[0],
		"OUTSIDE://:9092", "OUTSIDE://127.0.0.1:"+ports[1],
		"CONTROLLER://:9093", "CONTROLLER://127.0.0.1:"+ports[2],
		"kafka:19092", "127.0.0.1:"+ports[0],
		"localhost:9092", "127.0.0.1:"+ports[1],
		"kafka:9093", "127.0.0.1:"+ports[2],
		"/var/lib/kafka/data", filepath.Join(n.directory, "kafka-data"),
		"/tmp/", n.directory+"/",
		"0.0.0.0:8080", "127.0.0.1:"+n.tallyflowPort,
		"127.0.0.1:8080", "127.0.0.1:"+n.tallyflowPort,
		"/data", filepath.Join(n.directory, "data"),
		"/secrets", filepath.Join(n.directory, "secrets"),
	)
	for _, step := range []func() error{n.secrets, n.kafka, n.postgres, n.tallyflow, n.demo, n.counted} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// environment is what a service's container would have, on this machine.
func (n *native) environment(service string, more ...string) []string {
	environment := []string{"PATH=" + n.bin + ":" + n.postgresBin + ":" + os.Getenv("PATH"),
		"HOME=" + n.directory, "PGPORT=" + n.postgresPort}
	for name, value := range n.project.Services[service].Environment {
		if value == nil {
			continue
		}
		text := n.replacer.Replace(*value)
		if name == "POSTGRES_HOST" {
			text = "127.0.0.1"
			environment = append(environment, "POSTGRES_PORT="+n.postgresPort)
		}
		environment = append(environment, name+"="+text)
	}
	return append(environment, more...)
}

func (n *native) command(environment []string, arguments ...string) *exec.Cmd {
	command := exec.Command(arguments[0], arguments[1:]...)
	// Looked up as the container would.
	for _, entry := range environment {
		if path, is := strings.CutPrefix(entry, "PATH="); is {
			for _, directory := range filepath.SplitList(path) {
				candidate := filepath.Join(directory, arguments[0])
				if _, err := os.Stat(candidate); err == nil && !strings.Contains(arguments[0], "/") {
					command = exec.Command(candidate, arguments[1:]...)
					break
				}
			}
		}
	}
	command.Env = environment
	command.Dir = n.directory
	// Nothing outlives this process.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

// do runs what ends by itself.
func (n *native) do(environment []string, arguments ...string) error {
	output, err := n.command(environment, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

// start runs what does not; its output is in a file of the service's name.
func (n *native) start(name string, environment []string, arguments ...string) error {
	log, err := os.Create(n.log(name))
	if err != nil {
		return err
	}
	command := n.command(environment, arguments...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	n.started = append(n.started, command)
	return nil
}

func (n *native) log(name string) string { return filepath.Join(n.directory, name+".log") }

// healthy waits until a service's own check says so, as an engine would.
func (n *native) healthy(name string, check func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(n.log(name))
			return fmt.Errorf("%s does not become healthy: %w\n%s", name, err, log)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// secrets makes the password as its service does, twice, and looks who may read it.
func (n *native) secrets() error {
	home := filepath.Join(n.directory, "secrets")
	if err := os.Mkdir(home, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		// Users of the containers get at it by its volume.
		if err := os.Chmod(n.directory, 0o755); err != nil {
			return err
		}
	}
	service := n.project.Services["secrets"]
	arguments := append([]string{}, service.Entrypoint...)
	for _, argument := range service.Command {
		argument = n.replacer.Replace(argument)
		if os.Geteuid() != 0 {
			argument = strings.NewReplacer("-o postgres ", "", "-o 10001 ", "").Replace(argument)
		}
		arguments = append(arguments, argument)
	}
	var made []byte
	for round := range 2 {
		if err := n.do(n.environment("secrets"), arguments...); err != nil {
			return err
		}
		password, err := os.ReadFile(filepath.Join(home, "password"))
		if err != nil {
			return err
		}
		if len(password) < 32 || round > 0 && !bytes.Equal(password, made) {
			return fmt.Errorf("the password has %d characters, and stays the same: %v",
				len(password), bytes.Equal(password, made))
		}
		made = password
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("others may read the secret %s: %v", entry.Name(), info.Mode())
		}
	}
	return nil
}

// password is what the clients of the database have.
func (n *native) password() (string, error) {
	file := n.project.Services["tallyflow"].Environment["TALLYFLOW_POSTGRES_PASSWORD_FILE"]
	if file == nil {
		return "", errors.New("tallyflow has no file with a password")
	}
	text, err := os.ReadFile(n.replacer.Replace(*file))
	return string(text), err
}

func (n *native) kafka() error {
	defaults := filepath.Join(n.directory, "kafka-defaults")
	final := filepath.Join(n.directory, "kafka-config")
	for _, directory := range []string{defaults, final, filepath.Join(n.directory, "kafka-mounted")} {
		if err := os.Mkdir(directory, 0o755); err != nil {
			return err
		}
	}
	logging := "Configuration:\n  Appenders:\n    Console:\n      name: STDOUT\n" +
		"      PatternLayout:\n        Pattern: \"%m%n\"\n  Loggers:\n    Root:\n      level: WARN\n" +
		"      AppenderRef:\n        - ref: STDOUT\n"
	for _, name := range []string{"server.properties", "log4j2.yaml", "tools-log4j2.yaml"} {
		text := logging
		if name == "server.properties" {
			text = ""
		}
		if err := os.WriteFile(filepath.Join(defaults, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	environment := n.environment("kafka", "CLUSTER_ID=5L6g3nShT-eMCtK--X86sw")
	java := []string{"java", "-Xmx512m", "-cp", n.libs + "/*"}
	err := n.do(environment, append(java, "kafka.docker.KafkaDockerWrapper", "setup",
		"--default-configs-dir", defaults, "--mounted-configs-dir", filepath.Join(n.directory, "kafka-mounted"),
		"--final-configs-dir", final)...)
	if err != nil {
		return err
	}
	err = n.start("kafka", environment, append(java, "kafka.Kafka", filepath.Join(final, "server.properties"))...)
	if err != nil {
		return err
	}
	check := n.project.Services["kafka"].HealthCheck.Test
	if len(check) < 2 || !strings.HasSuffix(check[1], "/kafka-broker-api-versions.sh") {
		return fmt.Errorf("kafka's check is %v, which is not known here", check)
	}
	return n.healthy("kafka", func() error {
		arguments := append(java, "org.apache.kafka.tools.BrokerApiVersionsCommand")
		for _, argument := range check[2:] {
			arguments = append(arguments, n.replacer.Replace(argument))
		}
		return n.do(environment, arguments...)
	})
}

func (n *native) postgres() error {
	environment := n.environment("postgres")
	settings := map[string]string{}
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		settings[name] = value
	}
	home := filepath.Join(n.directory, "postgres")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	password := settings["POSTGRES_PASSWORD_FILE"]
	var as []string
	if os.Geteuid() == 0 {
		as = []string{"setpriv", "--reuid=" + postgresUser, "--regid=" + postgresUser, "--clear-groups", "--"}
		if err := n.do(environment, "chown", "-R", postgresUser, home); err != nil {
			return err
		}
	}
	data := filepath.Join(home, "data")
	// As the image does it: the user is the owner, and password and database are theirs.
	err := n.do(environment, append(as, filepath.Join(n.postgresBin, "initdb"), "-D", data,
		"-U", settings["POSTGRES_USER"], "--pwfile="+password, "-A", "scram-sha-256")...)
	if err != nil {
		return err
	}
	err = n.start("postgres", environment, append(as, filepath.Join(n.postgresBin, "postgres"), "-D", data,
		"-p", n.postgresPort, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+home)...)
	if err != nil {
		return err
	}
	check := n.project.Services["postgres"].HealthCheck.Test
	if len(check) != 2 || check[0] != "CMD-SHELL" {
		return fmt.Errorf("postgres's check is %v, which is not known here", check)
	}
	if err := n.healthy("postgres", func() error { return n.do(environment, "sh", "-c", check[1]) }); err != nil {
		return err
	}
	secret, err := n.password()
	if err != nil {
		return err
	}
	client := append(environment, "PGPASSWORD="+secret)
	return n.do(client, "createdb", "-h", "127.0.0.1", "-U", settings["POSTGRES_USER"], settings["POSTGRES_DB"])
}

var dockerEnv = regexp.MustCompile(`(?m)^ENV (.+)$`)
var dockerCheck = regexp.MustCompile(`(?m)^\s+CMD (curl .+)$`)
var dockerEntry = regexp.MustCompile(`(?m)^ENTRYPOINT \["(.+)"\]$`)

func (n *native) tallyflow() error {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		return err
	}
	image := func(pattern *regexp.Regexp) string {
		found := pattern.FindStringSubmatch(string(text))
		if found == nil {
			return ""
		}
		return n.replacer.Replace(found[1])
	}
	environment := n.environment("tallyflow", strings.Fields(image(dockerEnv))...)
	if err := n.start("tallyflow", environment, image(dockerEntry)); err != nil {
		return err
	}
	return n.healthy("tallyflow", func() error { return n.do(environment, "sh", "-c", image(dockerCheck)) })
}

// demo runs the services of the profile in their order.
func (n *native) demo() error {
	for _, name := range []string{"register", "producer"} {
		service := n.project.Services[name]
		arguments := append([]string{}, service.Entrypoint...)
		for _, argument := range service.Command {
			arguments = append(arguments, n.replacer.Replace(argument))
		}
		if name == "producer" {
			return n.start(name, n.environment(name), arguments...)
		}
		if err := n.do(n.environment(name), arguments...); err != nil {
			return err
		}
	}
	return nil
}

// counted waits until votes are counted and their results in PostgreSQL, and ends the service.
func (n *native) counted() error {
	err := n.healthy("tallyflow", func() error {
		answer, err := http.Get("http://127.0.0.1:" + n.tallyflowPort + "/api/v1/results")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		var results struct{ Counts struct{ Accepted int } }
		if err := json.Unmarshal(body, &results); err != nil {
			return err
		}
		if results.Counts.Accepted < votesMin {
			return fmt.Errorf("%d votes are counted: %s", results.Counts.Accepted, body[:min(len(body), 300)])
		}
		return nil
	})
	if err != nil {
		return err
	}
	var service *exec.Cmd
	for at, command := range n.started {
		if filepath.Base(command.Path) == "tallyflow" {
			service = command
			n.started = append(n.started[:at:at], n.started[at+1:]...)
			break
		}
	}
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := service.Wait(); err != nil {
		return fmt.Errorf("tallyflow does not end well: %w", err)
	}
	postgres := n.project.Services["postgres"].Environment
	secret, err := n.password()
	if err != nil {
		return err
	}
	environment := append(n.environment("postgres"), "PGPASSWORD="+secret)
	output, err := n.command(environment, "psql", "-h", "127.0.0.1", "-U", *postgres["POSTGRES_USER"],
		"-d", *postgres["POSTGRES_DB"], "-qAtc",
		"SELECT (SELECT sum(accepted) FROM location_results WHERE leaf), (SELECT count(*) FROM votes)").Output()
	if err != nil {
		return err
	}
	var accepted, votes int
	if _, err := fmt.Sscanf(strings.TrimSpace(string(output)), "%d|%d", &accepted, &votes); err != nil {
		return fmt.Errorf("reading '%s': %w", output, err)
	}
	if accepted < votesMin || votes < accepted {
		return fmt.Errorf("PostgreSQL has %d accepted of %d votes", accepted, votes)
	}
	return nil
}

func (n *native) stop() {
	for at := len(n.started) - 1; at >= 0; at-- {
		process := n.started[at].Process
		// One that has ended cannot be ended, which is as good.
		_ = process.Signal(syscall.SIGTERM)
		done := make(chan error, 1)
		go func() { done <- n.started[at].Wait() }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = process.Kill()
			<-done
		}
	}
}
