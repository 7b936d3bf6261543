// Command timbre-kubernetes is a whole Kubernetes control plane, node agent and client in one file,
// for machines that can reach Go modules but no image registry.
//
// It acts as the program it is called as: link or copy it to "kube-apiserver", "etcd", "kubectl" …,
// or give that name as the first argument.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics on /metrics
	_ "k8s.io/component-base/metrics/prometheus/restclient"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs maps the name that each program is called by to what runs it and returns its exit status.
var programs = map[string]func(args []string) int{
	"etcd": func(args []string) int {
		etcdmain.Main(args)
		return 0
	},
	"kube-apiserver":          cobraProgram(func() *cobra.Command { return apiserver.NewAPIServerCommand() }),
	"kube-controller-manager": cobraProgram(func() *cobra.Command { return controllermanager.NewControllerManagerCommand() }),
	"kube-scheduler":          cobraProgram(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              cobraProgram(func() *cobra.Command { return proxy.NewProxyCommand() }),
	"kubelet":                 cobraProgram(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
	"kubectl":                 cobraProgram(func() *cobra.Command { return kubectl.NewDefaultKubectlCommand() }),
}

// cobraProgram runs a command as if the process had been started under the command's own name:
// the upstream commands read os.Args themselves.
func cobraProgram(command func() *cobra.Command) func(args []string) int {
	return func(args []string) int {
		os.Args = args
		return cli.Run(command())
	}
}

func main() {
	args := os.Args
	name := filepath.Base(args[0])
	if programs[name] == nil && len(args) > 1 {
		args = args[1:]
		name = filepath.Base(args[0])
	}
	program := programs[name]
	if program == nil {
		fmt.Fprintf(os.Stderr, "unknown program %q; call it as one of: %s\n", name, strings.Join(names(), ", "))
		os.Exit(64)
	}
	os.Exit(program(args))
}

func names() []string {
	known := make([]string, 0, len(programs))
	for name := range programs {
		known = append(known, name)
	}
	sort.Strings(known)
	return known
}
